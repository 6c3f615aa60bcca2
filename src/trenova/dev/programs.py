"""The API and the worker as parts: the programs of production, configured by environment variables."""

import os
import sys
from pathlib import Path

from trenova.dev import keys, readiness
from trenova.dev.environment import own_environment
from trenova.dev.part import Part
from trenova.dev.ports import LOCALHOST, is_listening
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.dev.watchdog import AnswerWatchdog, responds
from trenova.runtime.installation.folder import Folder

CODEC_PATH = "/codec"


def api_part(folder: Folder, postgres: Postgres, temporal: Temporal, port: int) -> Part:
    url = f"http://{LOCALHOST}:{port}"

    async def is_ready(pid: int) -> bool:
        return is_listening(pid, port) and await readiness.answers_ok(f"{url}/livez")

    return Part(
        name="api",
        argv=(sys.executable, "-m", "trenova", "api"),
        env=common_variables(folder, postgres.api_url, temporal)
        | {"TRENOVA_API__HOST": LOCALHOST, "TRENOVA_API__PORT": str(port)}
        | codec_variables(temporal),
        log=folder.log("api"),
        record=folder.record("api"),
        is_ready=is_ready,
        watchdog=lambda: AnswerWatchdog(lambda: responds(f"{url}/livez")),
        folder=Path.cwd(),
    )


def worker_part(folder: Folder, postgres: Postgres, temporal: Temporal, health_port: int | None = None) -> Part:
    """Without a health port it has no watchdog, as nothing shows from outside whether it is stuck."""

    async def is_ready(pid: int) -> bool:
        return await readiness.is_polling(temporal, pid)

    return Part(
        name="worker",
        argv=(sys.executable, "-m", "trenova", "worker"),
        env=common_variables(folder, postgres.worker_url, temporal) | health_variables(health_port),
        log=folder.log("worker"),
        record=folder.record("worker"),
        is_ready=is_ready,
        watchdog=None
        if health_port is None
        else lambda: AnswerWatchdog(lambda: responds(f"http://{LOCALHOST}:{health_port}/livez")),
        folder=Path.cwd(),
    )


def health_variables(port: int | None) -> dict[str, str]:
    if port is None:
        return {}
    return {"TRENOVA_WORKER__HEALTH__HOST": LOCALHOST, "TRENOVA_WORKER__HEALTH__PORT": str(port)}


def codec_variables(temporal: Temporal) -> dict[str, str]:
    """Any program on this machine may have payloads decoded; a browser only from pages of the Web UI."""
    origins = [f"http://{host}:{temporal.ui_port}" for host in (LOCALHOST, "localhost")]
    return {
        "TRENOVA_API__CODEC__ENABLED": "true",
        "TRENOVA_API__CODEC__AUTHORIZE": "false",
        "TRENOVA_API__CODEC__UI_ORIGINS": ",".join(origins),
    }


def common_variables(folder: Folder, database_url: str, temporal: Temporal) -> dict[str, str]:
    return own_environment(os.environ) | {
        "TRENOVA_DATABASE__URL": database_url,
        "TRENOVA_LEDGER__SIGNING_KEY_FILE": str(keys.signing_key(folder)),
        "TRENOVA_TEMPORAL__HOST_PORT": temporal.address,
        "TRENOVA_TEMPORAL__NAMESPACE": temporal.namespace,
        # A configuration file may hold an API key or a certificate for another server; ours does not use TLS.
        "TRENOVA_TEMPORAL__TLS__ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }
