"""The API client that commands use: finds the server, and reports when it has to wait for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from trenova.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

    from stamina.instrumentation import RetryDetails

    from trenova.client import AsyncClient


def server_of(data_dir: Path, api_url: str | None, api_key: str | None) -> tuple[str, str]:
    """Address and API key: from flag or variable, else those of `dev.json`."""
    from trenova.runtime.installation.running import read_running

    running = None if api_url and api_key else read_running(data_dir)
    url = api_url or (running.api_url if running else None)
    # A key is only for the server it belongs to.
    key = api_key or (running.api_key if running and url == running.api_url else None)
    if url is None or key is None:
        missing = "TRENOVA_API_URL" if url is None else "TRENOVA_API_KEY"
        raise InvalidConfiguration(
            [f"{missing}: nothing given, and no `trenova dev` runs on {data_dir}"],
            hint="start one with `make dev`, name its --data-dir, or set TRENOVA_API_URL and TRENOVA_API_KEY",
        )
    return url, key


def open_client(data_dir: Path, api_url: str | None, api_key: str | None, *, retry_for_s: float) -> AsyncClient:
    """A client of the server that reports when it waits."""
    from trenova.client import AsyncClient

    report_waiting("the API")
    return AsyncClient(*server_of(data_dir, api_url, api_key), retry_for_s=retry_for_s)


def report_waiting(what: str) -> None:
    """From now on print once what this command waits for, at the first retry."""
    import stamina.instrumentation

    def print_first(details: RetryDetails) -> None:
        if details.retry_num == 1:
            print(f"waiting for {what}: {details.caused_by}", file=sys.stderr)

    stamina.instrumentation.set_on_retry_hooks([print_first])
