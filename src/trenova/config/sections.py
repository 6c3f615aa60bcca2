"""The settings, as a tree of sections with their defaults and bounds."""

import json
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from trenova import __version__
from trenova.config.sizes import KIB, MIB

# Scheme, host in lower case, port unless it is the scheme's default; no path, not even a slash.
ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
COMPRESSION_THRESHOLD_BYTES = 1 * KIB

ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
HIGHEST_PORT = 65535
ADDRESS_EXPECTED = "expected a host and a port from 1 to 65535, such as localhost:7233"
VISIBLE = re.compile(r"[\x21-\x7e]*")
HEADER_NAME, HEADER_VALUE = re.compile(r"[A-Za-z0-9._-]+"), re.compile(r"[\x20-\x7e]*")


class Section(BaseModel):
    """Base of all sections: camelCase in YAML, frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_default=True)


class TlsSettings(Section):
    """Certificates for Temporal: PEM files, or the PEM text itself as in the `TEMPORAL_TLS_*_DATA` variables."""

    enabled: bool | None = None
    """None: on when an API key or a certificate is set."""
    cert_file: Path | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    cert_data: str | None = None
    key_data: SecretStr | None = None
    ca_data: str | None = None
    server_name: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]+$")
    """The name that the server's certificate must contain, if that is not the host of `hostPort`."""


class SecuritySettings(Section):
    """How payloads are encoded for Temporal. Wrong values reveal content to whoever runs the Temporal server."""

    enable_encryption: bool = False
    encryption_key_id: str = Field("default", alias="encryptionKeyID", pattern=r"^[A-Za-z0-9_.-]+$")
    enable_compression: bool = True
    compression_threshold: int = Field(COMPRESSION_THRESHOLD_BYTES, ge=0)
    """Bytes; smaller payloads are not compressed."""
    require_encryption: bool = False
    """Strict: refuse payloads that arrive in plain text. Workflows started in plain text are then stuck."""
    key_format: Literal["auto", "raw32"] = "auto"
    """How the text of a key becomes 32 bytes; `raw32` is compatible with the older Go system."""
    key_folder: Path | None = None
    """A folder with one file per key id, for mounted secrets, besides the `TEMPORAL_ENCRYPTION_KEY…` variables."""
    master_key_file: Path | None = None
    """The master key that decrypts keys written as `wrapped:…`."""


class TemporalSettings(Section):
    """The address of Temporal. For Temporal Cloud set `hostPort`, `namespace` and `apiKey` (or a certificate)."""

    host_port: str = "localhost:7233"
    namespace: str = Field("default", min_length=1)
    api_key: SecretStr | None = None
    tls: TlsSettings = TlsSettings()
    grpc_meta: dict[str, SecretStr] = {}
    """Headers of every call. They may hold a token."""
    security: SecuritySettings = SecuritySettings()

    @field_validator("host_port")
    @classmethod
    def check_address(cls, value: str) -> str:
        match = ADDRESS.fullmatch(value)
        if match is None or not 1 <= int(match[1]) <= HIGHEST_PORT:
            raise PydanticCustomError("address", ADDRESS_EXPECTED)
        return value

    @field_validator("api_key")
    @classmethod
    def check_api_key(cls, value: SecretStr | None) -> SecretStr | None:
        """The SDK drops a key that ends with a line break, and Temporal then reports that there is none."""
        if value is not None and not VISIBLE.fullmatch(value.get_secret_value()):
            raise PydanticCustomError("api_key", "expected letters, digits and signs without a space or line break")
        return value

    @field_validator("grpc_meta")
    @classmethod
    def check_headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, content in value.items():
            if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(content.get_secret_value()):
                raise PydanticCustomError("header", "expected names of A-Z a-z 0-9 . _ - and values of printable ASCII")
        return value


class HealthSettings(Section):
    """The address of a worker's pages `/livez`, `/readyz` and `/metrics`. They need no key and hold no content."""

    host: str = "127.0.0.1"
    port: int | None = Field(None, ge=1, le=65535)
    """None: no pages. With `--processes` the first process has this port, the second the next one, and so on."""


class ResourceSettings(Section):
    """The load of the machine or container above which a worker takes less work. 0.8 is 80 %; None: no limit."""

    target_memory: float | None = Field(None, gt=0, le=1)
    target_cpu: float | None = Field(None, gt=0, le=1)


class WorkerSettings(Section):
    """How much one worker process does at once. The names are those of the documented set-up."""

    max_concurrent_activity_execution_size: int = Field(10, ge=1)
    max_concurrent_workflow_task_execution_size: int = Field(10, ge=2)
    """At least 2, so that the sticky queue and the normal one both get a slot."""
    max_concurrent_workflow_task_pollers: int = Field(2, ge=2)
    max_concurrent_activity_task_pollers: int = Field(2, ge=1)
    max_autoscaled_pollers: int | None = Field(None, ge=2)
    """Let the pollers of each kind grow to this many while tasks wait, and shrink to one while none do."""
    resources: ResourceSettings = ResourceSettings()
    """With targets, the two execution sizes are maxima, and the slots follow the free resources."""
    drain_seconds: float = Field(30, ge=0)
    """After SIGTERM, how long running activities may take to finish; unfinished ones run again elsewhere."""
    deployment_name: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$")
    """Turns on worker versioning: the worker then gets work only once its version is made current in Temporal."""
    build_id: str = Field(__version__, pattern=r"^[A-Za-z0-9_.+-]+$")
    """Which version of the deployment this worker is."""
    health: HealthSettings = HealthSettings()


class DatabaseSettings(Section):
    """PostgreSQL 15 or newer, as a libpq URL: `postgresql://user:password@host:5432/trenova`."""

    url: SecretStr | None = None
    owner_url: SecretStr | None = None
    """The same database with the login that owns the tables, for `migrate` and for changes of `retention` and `hold`.
    None: `url`."""
    operator_url: SecretStr | None = None
    """The same database with the login of the role trenova_operator, for the other commands. None: `url`."""
    pool_size: int = Field(8, ge=1)
    """The most connections of one process; the API has those below, too."""
    search_pool_size: int = Field(4, ge=2)
    """Additional connections of each API process for searches and lists, at most half of them for one tenant. One more
    is used to look up API keys."""


class WitnessSettings(Section):
    """A service of another party that cosigns our checkpoints."""

    url: str = Field(pattern=r"^https?://[^\s?#]+$")
    """Its submission prefix, to which `/add-checkpoint` is appended."""
    key: str
    """Its verifier key, `<name>+<id>+<base64>`, as published by its operator."""


class LedgerSettings(Section):
    """The identity of the ledgers. Verifiers know a ledger by its origin: a changed origin makes it another ledger."""

    origin: str = Field(
        "localhost:8080/v1/log", pattern=r"^[A-Za-z0-9._~%:\[\]-]+(/[A-Za-z0-9._~%:-]+)*$", max_length=256
    )
    """Where the ledgers are served, without scheme and final slash. A tenant's origin is this, a slash, the tenant."""
    signing_key_file: Path | None = None
    """One signing key per line, for mounted secrets, instead of the variable `TRENOVA_SIGNING_KEY`."""
    witnesses: tuple[WitnessSettings, ...] = ()
    """The witnesses that cosign the checkpoints; a variable holds them as JSON."""
    publish_folder: Path | None = None
    """Where the newest checkpoints are written as files, to be served or copied from there."""

    @field_validator("witnesses", mode="before")
    @classmethod
    def read_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value


class CodecEndpointSettings(Section):
    """The routes with which Temporal's Web UI and CLI decrypt payloads. Their callers can read every payload."""

    enabled: bool = False
    authorize: bool = True
    """Require an admin key for any tenant. Without it the API must listen on a loopback address."""
    ui_origins: tuple[str, ...] = ()
    """Origins of the Web UIs that may call it, such as `https://temporal.example.com`; commas separate a variable's."""

    @field_validator("ui_origins", mode="before")
    @classmethod
    def split_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("ui_origins")
    @classmethod
    def check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Browsers send origins in exactly this form, so any other would never match."""
        for origin in value:
            if not ORIGIN.fullmatch(origin) or origin.endswith(DEFAULT_PORTS[origin.partition(":")[0]]):
                raise ValueError(f"expected an origin such as https://temporal.example.com, got {origin}")
        return value


class SpoolSettings(Section):
    """Where the API keeps batches while Temporal is unreachable. Needs `temporal.security.enableEncryption`."""

    folder: Path | None = None
    """A folder on a local disk for one API process. None: nothing is accepted while Temporal is unreachable."""
    max_bytes: int = Field(256 * MIB, ge=4 * MIB)
    """The limit of all files, in whole blocks of the disk; beyond it nothing is accepted."""


class ApiSettings(Section):
    """The HTTP API."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    wait_stored_seconds: float = Field(30, gt=0)
    """How long `?wait=stored` waits for entries to be stored or parked before it answers 202."""
    drain_seconds: int = Field(30, ge=0)
    """After SIGTERM, how long requests in progress may take."""
    remember_keys_seconds: float = Field(3600, ge=0, le=86_400)
    """While the database is unreachable, how long an API key may still send entries after the database last confirmed
    it. 0: no key is remembered, and nothing is accepted without the database."""
    public_logs: bool = False
    """Serve every tenant's checkpoints, tiles and verifier keys, which hold no content, without an API key."""
    codec: CodecEndpointSettings = CodecEndpointSettings()
    spool: SpoolSettings = SpoolSettings()


class LimitSettings(Section):
    """The limits of one request. The error of a larger one names its size and the limit."""

    max_entry_bytes: int = Field(256 * KIB, ge=KIB, le=256 * KIB)
    """The size of an entry as it was sent. The batch with it must stay under Temporal's own limits."""
    max_request_entries: int = Field(10_000, ge=1, le=100_000)
    max_request_bytes: int = Field(16 * MIB, ge=KIB)
    max_nesting: int = Field(32, ge=4, le=128)
    """The depth of nested objects and arrays, counting the entry itself."""


class LogSettings(Section):
    """The form of log lines. `auto` writes for people on a terminal, and one JSON object per line elsewhere."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class TelemetrySettings(Section):
    """OpenTelemetry. Its own variables, `OTEL_EXPORTER_OTLP_ENDPOINT` and others, set where it sends traces."""

    traces: bool = False
    """Needs the extra `otel`."""


class Settings(Section):
    """All settings. Get them with `load`."""

    temporal: TemporalSettings = TemporalSettings()
    worker: WorkerSettings = WorkerSettings()
    database: DatabaseSettings = DatabaseSettings()
    ledger: LedgerSettings = LedgerSettings()
    api: ApiSettings = ApiSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
