"""The settings of every process: one frozen tree, read once at start, checked as a whole.

Sources, each over the one before: the defaults below; the default profile of Temporal's own TOML file; the YAML file;
a TOML profile that was asked for (`TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE`) and the official `TEMPORAL_*` variables;
`TRENOVA_…` variables (`TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION`). Nothing else reads the environment.

May import: errors. Everything else is given a part of `Settings`.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from trenova import __version__
from trenova.errors import InvalidConfiguration

DEFAULT_FILE = Path("config/config.yaml")
DEFAULT_DATA_DIR = Path(".trenova")
TASK_QUEUE = "audit-queue"

ENVIRONMENT_PREFIX = "TRENOVA_"
# Variables with our prefix that are no settings of the server processes.
OTHER_VARIABLES = frozenset(
    {"TRENOVA_CONFIG", "TRENOVA_DATA_DIR", "TRENOVA_API_URL", "TRENOVA_API_KEY", "TRENOVA_SIGNING_KEY"}
)

SECRETS = ("database.url", "temporal.apiKey", "temporal.tls.keyData", "temporal.grpcMeta")
QUOTE = re.compile(r"\s*\d*\s*\|")

KIB = 1024
MIB = 1024 * KIB


class Section(BaseModel):
    """Settings are camelCase in YAML, frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_default=True)


class Tls(Section):
    """Certificates for Temporal: PEM files, or the PEM text itself as the `TEMPORAL_TLS_*_DATA` variables give it."""

    enabled: bool | None = None
    """None: on when an API key or a certificate is given."""
    cert_file: Path | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    cert_data: str | None = None
    key_data: SecretStr | None = None
    ca_data: str | None = None
    server_name: str | None = None


class Security(Section):
    """How payloads look to Temporal. Wrong values here show content to whoever runs the Temporal server."""

    enable_encryption: bool = False
    encryption_key_id: str = Field("default", alias="encryptionKeyID", pattern=r"^[A-Za-z0-9_.-]+$")
    enable_compression: bool = True
    compression_threshold: int = Field(1024, ge=0)
    """Bytes; smaller payloads are not compressed."""
    require_encryption: bool = False
    """Strict: refuse payloads that arrive in plain text. Workflows started in plain text then stand still."""
    key_format: Literal["auto", "raw32"] = "auto"
    """How the text of a key becomes 32 bytes; `raw32` is what the older Go system does."""
    key_folder: Path | None = None
    """A folder with one file for each key id, for mounted secrets, beside the `TEMPORAL_ENCRYPTION_KEY…` variables."""
    master_key_file: Path | None = None
    """The master key that opens keys written as `wrapped:…`."""


class Temporal(Section):
    """Where Temporal is. For Temporal Cloud set `hostPort`, `namespace` and `apiKey` (or a certificate)."""

    host_port: str = Field("localhost:7233", pattern=r"^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$")
    namespace: str = Field("default", min_length=1)
    api_key: SecretStr | None = None
    tls: Tls = Tls()
    grpc_meta: dict[str, str] = Field(default_factory=dict, repr=False)
    """Headers of every call. They may hold a token, so they are not shown."""
    security: Security = Security()


class Health(Section):
    """Where a worker process tells how it is: `/livez`, `/readyz`, `/metrics`. They need no key and hold no content."""

    host: str = "127.0.0.1"
    port: int | None = Field(None, ge=1, le=65535)
    """None: nowhere. Of several processes under one the first has this port, the next the next."""


class Resources(Section):
    """How full the machine, or the container, may become before a worker takes less. 0.8 is 80 %; None: no matter."""

    target_memory: float | None = Field(None, gt=0, le=1)
    target_cpu: float | None = Field(None, gt=0, le=1)


class Worker(Section):
    """How much one worker process does at once. Names are those of the documented set-up."""

    max_concurrent_activity_execution_size: int = Field(10, ge=1)
    max_concurrent_workflow_task_execution_size: int = Field(10, ge=2)
    """At least 2, so that the sticky queue and the normal one both get a slot."""
    max_concurrent_workflow_task_pollers: int = Field(2, ge=2)
    max_concurrent_activity_task_pollers: int = Field(2, ge=1)
    max_autoscaled_pollers: int | None = Field(None, ge=2)
    """Lets the pollers of each kind grow to this many while tasks wait, and shrink to one while none do."""
    resources: Resources = Resources()
    """With targets, the two execution sizes are the most, and the slots follow what is free."""
    drain_seconds: float = Field(30, ge=0)
    """After SIGTERM, how long running activities may take to finish; what is cut short runs again elsewhere."""
    deployment_name: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$")
    """Turns worker versioning on: this worker then gets work only once Temporal is told that its version is current."""
    build_id: str = Field(__version__, pattern=r"^[A-Za-z0-9_.+-]+$")
    """Which version of the deployment this worker is."""
    health: Health = Health()


class Database(Section):
    """PostgreSQL 15 or newer, as a libpq URL: `postgresql://user:password@host:5432/trenova`."""

    url: SecretStr | None = None
    pool_size: int = Field(8, ge=1)
    """Connections of one process at most."""


class Witness(Section):
    """Somebody else's service that cosigns our checkpoints."""

    url: str = Field(pattern=r"^https?://[^\s?#]+$")
    """Its submission prefix: `/add-checkpoint` comes behind it."""
    key: str
    """Its verifier key, `<name>+<id>+<base64>`, as its owner has published it."""


class Ledger(Section):
    """Whose logs these are. Verifiers know a log by its origin: another one makes other logs of them."""

    origin: str = Field(
        "localhost:8080/v1/log", pattern=r"^[A-Za-z0-9._~%:\[\]-]+(/[A-Za-z0-9._~%:-]+)*$", max_length=256
    )
    """Where the logs are served, without scheme and final slash; each tenant's origin is this, a slash, the tenant."""
    signing_key_file: Path | None = None
    """One signing key a line, for mounted secrets, in place of the variable `TRENOVA_SIGNING_KEY`."""
    witnesses: tuple[Witness, ...] = ()
    """Who cosigns the checkpoints; a variable holds them as JSON."""
    publish_folder: Path | None = None
    """Where the newest checkpoints are written as files, for whoever serves or copies that folder."""

    @field_validator("witnesses", mode="before")
    @classmethod
    def read_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value


class CodecEndpoint(Section):
    """The routes with which Temporal's Web UI and CLI read encrypted payloads. Whoever may call them reads all."""

    enabled: bool = False
    authorize: bool = True
    """Ask for an admin key for any tenant. Without it the API must listen on a loopback address."""
    ui_origins: tuple[str, ...] = ()
    """Origins of the Web UIs whose pages may call it, as `https://temporal.example.com`; a variable parts by commas."""

    @field_validator("ui_origins", mode="before")
    @classmethod
    def split_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class Spool(Section):
    """Where the API keeps batches while Temporal is away. Needs `temporal.security.enableEncryption`."""

    folder: Path | None = None
    """On a local disk, for one API process alone. None: without Temporal nothing is taken in."""
    max_bytes: int = Field(256 * MIB, ge=4 * MIB)
    """Room for the files, in whole blocks of the disk; past it entries are refused."""


class Api(Section):
    """The HTTP door."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    wait_stored_seconds: float = Field(30, gt=0)
    """How long `?wait=stored` waits before it answers 202 instead of 201."""
    drain_seconds: int = Field(30, ge=0)
    """After SIGTERM, how long requests that are being answered may take."""
    public_logs: bool = False
    """Show every tenant's checkpoints, tiles and verifier keys, which hold no content, to anybody without a key."""
    codec: CodecEndpoint = CodecEndpoint()
    spool: Spool = Spool()


class Limits(Section):
    """What one request may hold. Larger is refused with its size and the limit."""

    max_entry_bytes: int = Field(256 * KIB, ge=KIB, le=256 * KIB)
    """Of the entry as it was sent. The batch that carries it must stay under Temporal's own limits."""
    max_request_entries: int = Field(10_000, ge=1)
    max_request_bytes: int = Field(16 * MIB, ge=KIB)
    max_nesting: int = Field(32, ge=4)
    """Objects and arrays inside each other, the entry itself being the first."""


class Log(Section):
    """Where there is a terminal `auto` writes for people, elsewhere one JSON object a line."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Telemetry(Section):
    """What OpenTelemetry is told. Where it is sent is said by its own variables, `OTEL_EXPORTER_OTLP_ENDPOINT`, …."""

    traces: bool = False
    """Needs the extra `otel`."""


class Settings(Section):
    """Everything that can be set. Get one with `load`."""

    temporal: Temporal = Temporal()
    worker: Worker = Worker()
    database: Database = Database()
    ledger: Ledger = Ledger()
    api: Api = Api()
    limits: Limits = Limits()
    log: Log = Log()
    telemetry: Telemetry = Telemetry()


def load(environ: Mapping[str, str], *, file: Path | None = None) -> Settings:
    """The settings from all sources, or `InvalidConfiguration` with a line for every problem at once.

    `file` (or `TRENOVA_CONFIG`) must exist when it is named; the default file may be absent.
    """
    named = file or (Path(environ["TRENOVA_CONFIG"]) if environ.get("TRENOVA_CONFIG") else None)
    problems: list[str] = []
    asked_for = asks_for_profile(environ)
    tree = {} if asked_for else temporal_profile({}, read_file=True, problems=problems)
    overlay(tree, read_yaml(named or DEFAULT_FILE, must_exist=named is not None, problems=problems))
    overlay(tree, temporal_profile(environ, read_file=asked_for, problems=problems))
    overlay(tree, trenova_variables(environ, problems))
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems += [describe(detail) for detail in error.errors(include_url=False, include_context=False)]
    else:
        if not problems:
            return settings
    raise InvalidConfiguration(problems, hint=f"correct it in {named or DEFAULT_FILE} or in the environment")


def overlay(base: dict[str, Any], upper: Mapping[str, Any]) -> None:
    """Lay `upper` over `base` in place; objects are merged, anything else is replaced.

    What stands in `base` where an object belongs stays, for the check to complain of.
    """
    for key, value in upper.items():
        if not isinstance(value, Mapping):
            base[key] = value
        elif base.get(key) is None:
            base[key] = dict(value)
        elif isinstance(base[key], dict):
            overlay(base[key], value)


def read_yaml(file: Path, *, must_exist: bool, problems: list[str]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            problems.append(f"{file}: no such file")
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{file}: cannot be read as YAML: {yaml_complaint(error)}")
        return {}
    if content is None:
        return {}
    if not isinstance(content, dict):
        problems.append(f"{file}: expected a mapping at the top, found {type(content).__name__}")
        return {}
    return content


def yaml_complaint(error: Exception) -> str:
    """What is wrong and where, without the line itself: it may hold a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} at line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())


def asks_for_profile(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("TEMPORAL_PROFILE") or environ.get("TEMPORAL_CONFIG_FILE"))


def temporal_profile(environ: Mapping[str, str], *, read_file: bool, problems: list[str]) -> dict[str, Any]:
    """What Temporal's own variables say, over a profile of the TOML file if `read_file`, as our `temporal` section.

    With an empty `environ` that is the default profile of the user's file, if there is one. A profile or a file that
    is named and not there is a problem.
    """
    from temporalio.envconfig import ClientConfigProfile  # noqa: PLC0415 - slow to import, and most commands need none

    file = Path(environ["TEMPORAL_CONFIG_FILE"]) if environ.get("TEMPORAL_CONFIG_FILE") else None
    if file is not None and not file.is_file():
        problems.append(f"TEMPORAL_CONFIG_FILE: {file}: no such file")
        return {}
    try:
        profile = ClientConfigProfile.load(
            environ.get("TEMPORAL_PROFILE") or None,
            config_source=file,
            disable_file=not read_file,
            override_env_vars=dict(environ),
        )
    except (RuntimeError, OSError) as error:
        problems.append(f"TEMPORAL_PROFILE / TEMPORAL_CONFIG_FILE: {toml_complaint(error)}")
        return {}
    temporal: dict[str, Any] = {
        "hostPort": profile.address,
        "namespace": profile.namespace,
        "apiKey": profile.api_key,
        "grpcMeta": dict(profile.grpc_meta) or None,
    }
    if profile.tls is not None:
        temporal["tls"] = profile_tls(profile.tls.to_dict())
    return {"temporal": {key: value for key, value in temporal.items() if value}}


def toml_complaint(error: Exception) -> str:
    """The message without the lines that quote the file (`2 | api_key = …`): they may hold a secret."""
    return ": ".join(line.strip() for line in str(error).splitlines() if line.strip() and not QUOTE.match(line))


def profile_tls(tls: Mapping[str, Any]) -> dict[str, Any]:
    names = {"client_cert": "cert", "client_key": "key", "server_ca_cert": "ca"}
    found: dict[str, Any] = {}
    if "disabled" in tls:
        found["enabled"] = not tls["disabled"]
    if tls.get("server_name"):
        found["serverName"] = tls["server_name"]
    for theirs, ours in names.items():
        source = tls.get(theirs) or {}
        if "path" in source:
            found[f"{ours}File"] = source["path"]
        elif "data" in source:
            found[f"{ours}Data"] = source["data"]
    return found


def trenova_variables(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """`TRENOVA_A__B_C=x` as `{"a": {"bC": "x"}}`. An empty value means that the setting is not given."""
    tree: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in OTHER_VARIABLES or environ[name] == "":
            continue
        keys = setting_path(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
        if keys is None:
            problems.append(f"{name}: there is no such setting")
            continue
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
        branch[keys[-1]] = environ[name]
    return tree


def setting_path(words: list[str]) -> list[str] | None:
    """The YAML keys for a variable's lower-case words, or None when no such setting (a leaf) exists."""
    section: type[BaseModel] | None = Settings
    keys: list[str] = []
    for word in words:
        field = section.model_fields.get(word) if section else None
        if field is None:
            return None
        keys.append(field.alias or word)
        kind = field.annotation
        section = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return keys if section is None else None


def describe(detail: Any) -> str:
    """One line: the key, the value given (unless it is secret), what was expected."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: there is no such setting"
    given = "(hidden)" if may_hold_secret(key) else repr(detail["input"])
    return f"{key}: {given} given, {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def may_hold_secret(key: str) -> bool:
    """Also a section that was given as something else: `database: postgresql://…` is easily written."""
    return any(f"{secret}.".startswith(f"{key}.") or key.startswith(f"{secret}.") for secret in SECRETS)
