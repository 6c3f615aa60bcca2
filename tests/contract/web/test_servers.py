"""Every HTTP server of Trenova has the limits of `trenova.runtime.http`."""

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

import trenova
from contract.publishing.conftest import stand
from contract.web.raw import connect_to, echo
from examples import SIGNER
from trenova.config import HealthSettings
from trenova.dev.ports import choose
from trenova.worker.health_page import serve


@pytest.mark.parametrize("server", ["api", "worker", "witness"])
async def test_an_endless_header_is_an_error(server: str, api_url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        port = urlsplit(api_url).port
        if server == "witness":
            witness = stand(tmp_path, "witness.example.com/w1", SIGNER)
            await stack.enter_async_context(witness.serving())
            port = witness.port
        if server == "worker":
            port = choose()
            await stack.enter_async_context(serve(HealthSettings(port=port), cast("Any", echo)))
        assert port is not None
        connection = await stack.enter_async_context(connect_to(port))
        connection.send(b"GET /livez HTTP/1.1\r\nX: ")
        sending = asyncio.create_task(connection.send_forever(b"a" * 65536))
        assert (await connection.answer())[0] == 431
        sending.cancel()


UNGUARDED = {
    "a server that is configured elsewhere": r"uvicorn\.(Config|run)\(",
    "a route that reads a body itself": r"request\.(body|json|stream|form|msgpack)\(",
}


@pytest.mark.parametrize("pattern", UNGUARDED.values(), ids=UNGUARDED)
def test_no_code_bypasses_the_limits(pattern: str) -> None:
    sources = [path for path in Path(trenova.__file__).parent.rglob("*.py") if path.parent.name != "http"]
    assert [path.name for path in sources if re.search(pattern, path.read_text())] == []
