"""The HTTP client for applications and for the command line: it retries, and never doubles an entry by it.

    async with AsyncClient("http://localhost:8080", api_key) as client:
        answer = await client.add([{"actor": …, "action": "shipment.update", "target": …}], wait=True)

May import: errors.
"""

from trenova.client.http import AsyncClient, Client
from trenova.client.messages import Answer, ApiError, EntryAnswer, Page

__all__ = ["Answer", "ApiError", "AsyncClient", "Client", "EntryAnswer", "Page"]
