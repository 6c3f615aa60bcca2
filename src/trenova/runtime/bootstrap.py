"""What the API server and the worker both need at start, before either begins its own work."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from temporalio.converter import DataConverter

from trenova import tracing
from trenova.codec.compose import data_converter_for
from trenova.config import Settings
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring
from trenova.runtime import build_info, connection, temporal_sdk
from trenova.runtime.process import database_url, on_stop_signal
from trenova.runtime.systemd import ServiceManager, service_manager_of
from trenova.runtime.temporal_sdk import SdkRuntime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessContext:
    """What the process runs with. `stop` is set by SIGTERM and by Ctrl-C."""

    database_url: str
    keyring: Keyring
    converter: DataConverter
    sdk: SdkRuntime
    manager: ServiceManager
    stop: asyncio.Event


def start(
    part: Literal["api", "worker"],
    settings: Settings,
    environ: Mapping[str, str],
    *,
    sdk_metrics: bool,
    max_sent_bytes: int | None = None,
) -> ProcessContext:
    """Start tracing, the SDK's runtime and the signal handlers on the running loop, and load the encryption keys.

    Connects to nothing. Raises InvalidConfiguration for settings, certificates and keys that cannot work. `environ`
    holds the keys; `max_sent_bytes` limits one payload.
    """
    if settings.telemetry.traces:
        tracing.start(part)
    url = database_url(settings)
    connection.check(settings.temporal)
    security = settings.temporal.security
    keyring = load_keyring(security, environ)
    converter = data_converter_for(security, keyring, max_sent_bytes=max_sent_bytes)
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    sdk = temporal_sdk.start(with_metrics=sdk_metrics)
    build_info.publish(keyring)
    manager = service_manager_of(environ, os.getpid())
    return ProcessContext(database_url=url, keyring=keyring, converter=converter, sdk=sdk, manager=manager, stop=stop)
