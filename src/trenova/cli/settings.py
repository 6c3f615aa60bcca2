"""Where commands find their settings, the running server and the database."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import stamina.instrumentation
import typer
from pydantic import SecretStr
from stamina.instrumentation import RetryDetails

from trenova import config
from trenova.cli.screen import escaped
from trenova.client import AsyncClient
from trenova.dev import logins
from trenova.dev.folder import Folder
from trenova.dev.logins import Login
from trenova.domain.entry import StoredTenant
from trenova.errors import DatabaseFault, Forbidden, InvalidConfiguration, InvalidRequest, Unavailable
from trenova.process import database_url

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings in YAML; else TRENOVA_CONFIG, else config/config.yaml.", dir_okay=False),
]
DataDir = Annotated[
    Path,
    typer.Option("--data-dir", help="The data folder of `trenova dev`.", envvar="TRENOVA_DATA_DIR", file_okay=False),
]


class Running(msgspec.Struct, frozen=True):
    """What the commands need of `dev.json`, which is there while `trenova dev` runs."""

    api_url: str
    api_key: str
    database_url: str
    temporal_address: str = ""
    ui_url: str = ""

    def __repr__(self) -> str:
        return f"Running(api_url={self.api_url!r})"


class Embedded(msgspec.Struct, frozen=True):
    """`embedded.json`, which is there while PostgreSQL runs for `trenova api` and `trenova worker`."""

    api_key: str
    database_url: str

    def __repr__(self) -> str:
        return "Embedded()"


Found = TypeVar("Found", Running, Embedded)
SERVERS_SETTING = "database.url"
"""Whence API and worker have the address of the database, and the store's errors name it: it knows no other."""
DEFAULT_API_URL = f"http://{config.Api().host}:{config.Api().port}"


def load(
    file: Path | None, data_dir: Path = config.DEFAULT_DATA_DIR, login: Login = logins.OPERATOR
) -> config.Settings:
    """The settings; without a `database.url` the database of the `trenova dev` that runs here, with its `login`.

    The logs in that database are signed with its key, and its Temporal fills it, unless another is given. The default
    address gives none: it stands in the file that comes with the program.
    """
    return with_running(with_own_login(config.load(os.environ, file=file), login), data_dir, login)


def with_running(settings: config.Settings, data_dir: Path, login: Login) -> config.Settings:
    running = read_running(data_dir) if settings.database.url is None else None
    if running is None:
        return settings
    url = with_login(running.database_url, Folder(data_dir), login)
    database = settings.database.model_copy(update={"url": SecretStr(url)})
    ledger = settings.ledger
    if not has_signing_key(settings, os.environ):
        ledger = ledger.model_copy(update={"signing_key_file": data_dir / "secrets" / "signing-key"})
    temporal = settings.temporal
    if running.temporal_address and temporal.host_port == config.Temporal().host_port:
        temporal = temporal.model_copy(update={"host_port": running.temporal_address})
    return settings.model_copy(update={"database": database, "ledger": ledger, "temporal": temporal})


def has_signing_key(settings: config.Settings, environ: Mapping[str, str]) -> bool:
    return settings.ledger.signing_key_file is not None or bool(environ.get("TRENOVA_SIGNING_KEY"))


def with_own_login(settings: config.Settings, login: Login) -> config.Settings:
    """With the address that is set for commands which need this login, if one is."""
    own = own_url(settings, login)
    if own is None:
        return settings
    if not own.get_secret_value().startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        raise InvalidConfiguration(
            [f"{setting_of(login)}: (hidden) given, expected postgresql://user:password@host:port/database"]
        )
    return settings.model_copy(update={"database": settings.database.model_copy(update={"url": own})})


def own_url(settings: config.Settings, login: Login) -> SecretStr | None:
    return {logins.OWNER: settings.database.owner_url, logins.OPERATOR: settings.database.operator_url}.get(login)


def setting_of(login: Login) -> str:
    """Where a command that needs this login looks for the address, before `database.url`."""
    named = {logins.OWNER: ("ownerUrl", "OWNER_URL"), logins.OPERATOR: ("operatorUrl", "OPERATOR_URL")}
    key, variable = named.get(login, ("url", "URL"))
    return f"database.{key} (TRENOVA_DATABASE__{variable})"


def source_of(settings: config.Settings, login: Login) -> str:
    """The setting that the address came from, after `load`."""
    return SERVERS_SETTING if own_url(settings, login) is None else setting_of(login)


@contextmanager
def naming(login: Login, settings: config.Settings) -> Iterator[None]:
    """What the database's errors within this block say of `database.url` they say of the setting that was read."""
    try:
        yield
    except (DatabaseFault, Forbidden, InvalidConfiguration, Unavailable) as error:
        source = source_of(settings, login)
        error.message = error.message.replace(SERVERS_SETTING, source)
        error.hint = error.hint and error.hint.replace(SERVERS_SETTING, source)
        if isinstance(error, InvalidConfiguration):
            error.problems = tuple(problem.replace(SERVERS_SETTING, source) for problem in error.problems)
        raise


@contextmanager
def needing(login: Login, settings: config.Settings) -> Iterator[None]:
    """A right that is missing within this block is told with the login that is there, and the one that it takes."""
    with naming(login, settings):
        try:
            yield
        except (DatabaseFault, Forbidden) as fault:
            from trenova.store import logins as asked  # noqa: PLC0415 - slow to import

            url = database_url(settings)
            raise asked.explained(fault, url, login.role or asked.OWNER, setting_of(login)) from None


def with_login(url: str, folder: Folder, login: Login) -> str:
    """The address with this login of the data folder's; as it is, where the folder has no password for it."""
    password = folder.read_secret(login.secret)
    where = urlsplit(url)
    return where._replace(netloc=f"{login.name}:{password}@{where.hostname}:{where.port}").geturl() if password else url


def read_running(data_dir: Path) -> Running | None:
    """What `trenova dev` says of itself; else the PostgreSQL that runs for `trenova api` and `trenova worker`."""
    running = read_struct(data_dir / "dev.json", Running)
    if running is not None:
        return running
    embedded = read_struct(data_dir / "embedded.json", Embedded)
    return None if embedded is None else beside_members(embedded, data_dir)


def read_struct(file: Path, kind: type[Found]) -> Found | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidConfiguration([f"{file}: cannot be read: {error}"]) from None


def beside_members(embedded: Embedded, data_dir: Path) -> Running:
    """With the addresses that those who use the database have said, the API before the workers."""
    from trenova.dev import registry  # noqa: PLC0415 - slow to import

    member = next(iter(registry.members(Folder(data_dir))), None)
    return Running(
        api_url=member.api_url if member else DEFAULT_API_URL,
        api_key=embedded.api_key,
        database_url=embedded.database_url,
        temporal_address=member.temporal_address if member else "",
    )


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


def check_tenant(tenant: str | None) -> None:
    """Raise InvalidRequest for what no tenant was ever called, in any release."""
    try:
        msgspec.convert(tenant, StoredTenant | None)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"invalid tenant {tenant!r}", hint="use 1 to 128 of the characters A-Z a-z 0-9 . _ -"
        ) from None


def not_empty(value: str | None) -> str | None:
    """Of an option's value: what a shell makes of a variable that is not set must not count as no option."""
    if value is not None and not value.strip():
        raise typer.BadParameter("empty: leave the option out, or see that what it comes from is there")
    return value


ApiUrl = Annotated[
    str | None,
    typer.Option("--api-url", envvar="TRENOVA_API_URL", callback=not_empty, help="Address of the API."),
]
ApiKeyText = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="TRENOVA_API_KEY", callback=not_empty, help="API key; other users can see a flag."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, an object a line, for machines; errors too.")]


def print_lines(values: Iterable[Any]) -> None:
    """As JSON, one a line: what `--json` makes of a list."""
    for value in values:
        print(plain_json(value))


def print_error(message: str, *, hint: str | None, exit_code: int, problems: Sequence[str] = ()) -> None:
    """As docs/command-line.md describes it: one object, on a line of its own, the last of standard error."""
    told = {"error": message, "problems": list(problems), "hint": hint, "exit_code": exit_code}
    print(plain_json(told), file=sys.stderr)


def plain_json(value: Any) -> str:
    return escaped(msgspec.json.encode(value).decode())
