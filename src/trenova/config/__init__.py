"""The settings of every process: one frozen tree, read once at start and validated as a whole.

Sources, each overriding the one before: the defaults; the default profile of Temporal's own TOML file; the YAML file; a
TOML profile selected by `TEMPORAL_PROFILE` or `TEMPORAL_CONFIG_FILE`, and the official `TEMPORAL_*` variables;
`TRENOVA_…` variables (`TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION`). Nothing else reads the environment.

`sections` defines the settings, `profile` and `variables` read two of the sources, `loading` merges all.

May import: errors. Other packages get a part of `Settings`.
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
