"""The API and the worker as parts: the same programs as in production, told by their environment where things are."""

import os
import sys
from pathlib import Path

from trenova.dev import keys, readiness
from trenova.dev.environment import own_world
from trenova.dev.part import Part
from trenova.dev.ports import LOCALHOST, listens
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.dev.watch import Silence, responds
from trenova.runtime.installation.folder import Folder

CODEC_PATH = "/codec"


def api(folder: Folder, postgres: Postgres, temporal: Temporal, port: int) -> Part:
    url = f"http://{LOCALHOST}:{port}"

    async def ready(pid: int) -> bool:
        return listens(pid, port) and await readiness.answers(f"{url}/livez")

    return Part(
        name="api",
        argv=(sys.executable, "-m", "trenova", "api"),
        env=environment(folder, postgres.api_url, temporal)
        | {"TRENOVA_API__HOST": LOCALHOST, "TRENOVA_API__PORT": str(port)}
        | codec_endpoint(temporal),
        log=folder.log("api"),
        record=folder.record("api"),
        ready=ready,
        watch=lambda: Silence(lambda: responds(f"{url}/livez")),
        folder=Path.cwd(),
    )


def worker(folder: Folder, postgres: Postgres, temporal: Temporal, health_port: int | None = None) -> Part:
    """Without a health port nobody can see from outside whether it is stuck."""

    async def ready(pid: int) -> bool:
        return await readiness.polls(temporal, pid)

    return Part(
        name="worker",
        argv=(sys.executable, "-m", "trenova", "worker"),
        env=environment(folder, postgres.worker_url, temporal) | health(health_port),
        log=folder.log("worker"),
        record=folder.record("worker"),
        ready=ready,
        watch=None
        if health_port is None
        else lambda: Silence(lambda: responds(f"http://{LOCALHOST}:{health_port}/livez")),
        folder=Path.cwd(),
    )


def health(port: int | None) -> dict[str, str]:
    if port is None:
        return {}
    return {"TRENOVA_WORKER__HEALTH__HOST": LOCALHOST, "TRENOVA_WORKER__HEALTH__PORT": str(port)}


def codec_endpoint(temporal: Temporal) -> dict[str, str]:
    """The Web UI of this machine, and whoever else is on it, may read payloads; a browser only from the UI's pages."""
    origins = [f"http://{host}:{temporal.ui_port}" for host in (LOCALHOST, "localhost")]
    return {
        "TRENOVA_API__CODEC__ENABLED": "true",
        "TRENOVA_API__CODEC__AUTHORIZE": "false",
        "TRENOVA_API__CODEC__UI_ORIGINS": ",".join(origins),
    }


def environment(folder: Folder, database_url: str, temporal: Temporal) -> dict[str, str]:
    return own_world(os.environ) | {
        "TRENOVA_DATABASE__URL": database_url,
        "TRENOVA_LEDGER__SIGNING_KEY_FILE": str(keys.signing_key(folder)),
        "TRENOVA_TEMPORAL__HOST_PORT": temporal.address,
        "TRENOVA_TEMPORAL__NAMESPACE": temporal.namespace,
        # A configuration file may hold an API key or a certificate for another server; ours speaks no TLS.
        "TRENOVA_TEMPORAL__TLS__ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }
