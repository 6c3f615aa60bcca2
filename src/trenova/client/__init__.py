"""The HTTP client for applications and for the command line. It retries, and a retry never stores an entry twice.

    async with AsyncClient("http://localhost:8080", api_key) as client:
        answer = await client.add([{"actor": …, "action": "shipment.update", "target": …}], wait=True)

May import: errors, and of other packages httpx, msgspec and stamina.
"""

from trenova.client.http import AsyncClient, Client
from trenova.client.messages import Answer, ApiError, EntryAnswer, Page

__all__ = ["Answer", "ApiError", "AsyncClient", "Client", "EntryAnswer", "Page"]
