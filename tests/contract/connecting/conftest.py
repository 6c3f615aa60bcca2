"""The servers that the cases connect to: the Temporal of all tests, and the proxies a cluster may put before it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contract.connecting.cases import API_KEY, Case, write_files
from temporal_fronts import answering_server, api_key_front, closing_server, http2_server, tls_front
from trenova.config import Settings
from trenova.dev.ports import choose
from trenova.dev.temporal import Temporal

HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
PAGE = "<p>a page</p>"
EXPIRED = timedelta(days=-1)


@dataclass(frozen=True, slots=True)
class Servers:
    """Server addresses by name, and the folder with the files of the cases."""

    folder: Path
    addresses: dict[str, str]

    def address(self, case: Case) -> str:
        return self.addresses.get(case.at, case.at)

    def fill_in(self, case: Case, text: str) -> str:
        return text.format(address=self.address(case), folder=self.folder)

    def settings(self, case: Case, base: Settings) -> Settings:
        """`base` with the settings of the case."""
        values: dict[str, Any] = {"hostPort": self.address(case), **case.settings}
        if files := values.get("tls"):
            values["tls"] = {
                key: self.fill_in(case, value) if isinstance(value, str) else value for key, value in files.items()
            }
        temporal = Settings.model_validate({"temporal": values}).temporal
        api = base.api.model_copy(update={"port": choose()})
        return base.model_copy(update={"temporal": temporal, "api": api})


@pytest.fixture(scope="session")
async def servers(temporal: Temporal, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    folder = tmp_path_factory.mktemp("certificates")
    authority = write_files(folder)
    authority.issue("old", ends_in=EXPIRED)
    good, named = authority.issue("server"), authority.issue("named", host="temporal.example")
    expired = authority.issue("expired", ends_in=EXPIRED)
    no_server = f"127.0.0.1:{choose()}"
    async with AsyncExitStack() as opened:
        enter = opened.enter_async_context
        yield Servers(
            folder,
            {
                "plain": temporal.address,
                "no server": no_server,
                "http": await enter(answering_server(HTTP)),
                "hanging up": await enter(answering_server(b"")),
                "closing": await enter(closing_server()),
                **{f"HTTP {status}": await enter(http2_server(status)) for status in (401, 403, 404, 503)},
                **{f"page {status}": await enter(http2_server(status, PAGE)) for status in (200, 403, 503)},
                "tls": await enter(tls_front(temporal.address, good)),
                "named": await enter(tls_front(temporal.address, named)),
                "expired": await enter(tls_front(temporal.address, expired)),
                "mtls": await enter(tls_front(temporal.address, good, clients_of=authority.certificate)),
                "stopped": await enter(tls_front(no_server, good)),
                "stopped mtls": await enter(tls_front(no_server, good, clients_of=authority.certificate)),
                "cloud": await enter(api_key_front(temporal.address, API_KEY)),
            },
        )
