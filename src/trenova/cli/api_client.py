"""The client of the API that commands use: where the server is, and what is shown while it does not answer."""

import sys
from pathlib import Path

import stamina.instrumentation
from stamina.instrumentation import RetryDetails

from trenova.client import AsyncClient
from trenova.errors import InvalidConfiguration
from trenova.runtime.installation.running import read_running


def server(data_dir: Path, api_url: str | None, api_key: str | None) -> tuple[str, str]:
    """Address and API key: as given by flag or variable, else those of `dev.json`."""
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


def client(data_dir: Path, api_url: str | None, api_key: str | None, *, retry_for_s: float) -> AsyncClient:
    """A client of the server, which says when it waits."""
    tell_waiting("the API")
    return AsyncClient(*server(data_dir, api_url, api_key), retry_for_s=retry_for_s)


def tell_waiting(what: str) -> None:
    """Say once what this command waits for, when it begins to."""

    def say(details: RetryDetails) -> None:
        if details.retry_num == 1:
            print(f"waiting for {what}: {details.caused_by}", file=sys.stderr)

    stamina.instrumentation.set_on_retry_hooks([say])
