"""The settings of every process: one frozen tree, read once at start, checked as a whole.

Sources, each over the one before: the defaults below; the default profile of Temporal's own TOML file; the YAML file;
a TOML profile that was asked for (`TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE`) and the official `TEMPORAL_*` variables;
`TRENOVA_…` variables (`TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION`). Nothing else reads the environment.

`sections` has what can be set, `profile` and `variables` two of the sources, `loading` puts all together.

May import: errors. Everything else is given a part of `Settings`.
"""

from trenova.config.loading import load
from trenova.config.sections import (
    COMPRESSION_THRESHOLD_BYTES,
    ApiSettings,
    CodecEndpointSettings,
    DatabaseSettings,
    HealthSettings,
    LedgerSettings,
    LimitSettings,
    LogSettings,
    ResourceSettings,
    Section,
    SecuritySettings,
    Settings,
    SpoolSettings,
    TelemetrySettings,
    TemporalSettings,
    TlsSettings,
    WitnessSettings,
    WorkerSettings,
)
from trenova.config.sizes import KIB, MIB

TASK_QUEUE = "audit-queue"

__all__ = [
    "COMPRESSION_THRESHOLD_BYTES",
    "KIB",
    "MIB",
    "TASK_QUEUE",
    "ApiSettings",
    "CodecEndpointSettings",
    "DatabaseSettings",
    "HealthSettings",
    "LedgerSettings",
    "LimitSettings",
    "LogSettings",
    "ResourceSettings",
    "Section",
    "SecuritySettings",
    "Settings",
    "SpoolSettings",
    "TelemetrySettings",
    "TemporalSettings",
    "TlsSettings",
    "WitnessSettings",
    "WorkerSettings",
    "load",
]
