"""The settings of a command: what is configured, completed with what runs on this machine from the data folder."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from trenova import config
from trenova.errors import InvalidConfiguration, TrenovaError
from trenova.runtime.installation import DEFAULT_DATA_DIR, logins
from trenova.runtime.installation.folder import Folder
from trenova.runtime.installation.logins import Login
from trenova.runtime.installation.running import read_running


def load_settings(
    file: Path | None, data_dir: Path = DEFAULT_DATA_DIR, login: Login = logins.OPERATOR
) -> config.Settings:
    """The settings; without a `database.url`, with the database that runs from the data folder, using its `login`.

    Then the signing key and the Temporal of that installation are used too, unless others are configured. Temporal's
    default address counts as not configured, as it is in the configuration file that comes with the program.
    """
    return with_running_installation(with_own_login(config.load(os.environ, file=file), login), data_dir, login)


def with_running_installation(settings: config.Settings, data_dir: Path, login: Login) -> config.Settings:
    running = read_running(data_dir) if settings.database.url is None else None
    if running is None:
        return settings
    url = with_login(running.database_url, Folder(data_dir), login)
    database = settings.database.model_copy(update={"url": SecretStr(url)})
    ledger = settings.ledger
    if not has_signing_key(settings, os.environ):
        ledger = ledger.model_copy(update={"signing_key_file": data_dir / "secrets" / "signing-key"})
    temporal = settings.temporal
    if running.temporal_address and temporal.host_port == config.TemporalSettings().host_port:
        temporal = temporal.model_copy(update={"host_port": running.temporal_address})
    return settings.model_copy(update={"database": database, "ledger": ledger, "temporal": temporal})


def has_signing_key(settings: config.Settings, environ: Mapping[str, str]) -> bool:
    return settings.ledger.signing_key_file is not None or bool(environ.get("TRENOVA_SIGNING_KEY"))


def with_own_login(settings: config.Settings, login: Login) -> config.Settings:
    """With the database address that is configured for this login, if there is one."""
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
    """The setting in which a command that needs this login looks for the address, before `database.url`."""
    named = {logins.OWNER: ("ownerUrl", "OWNER_URL"), logins.OPERATOR: ("operatorUrl", "OPERATOR_URL")}
    key, variable = named.get(login, ("url", "URL"))
    return f"database.{key} (TRENOVA_DATABASE__{variable})"


def source_of(settings: config.Settings, login: Login) -> str:
    """The setting that the address of loaded settings came from."""
    return TrenovaError.database_setting if own_url(settings, login) is None else setting_of(login)


@contextmanager
def name_database_setting(login: Login, settings: config.Settings) -> Iterator[None]:
    """Make errors of the database within this block name the setting from which its address was read."""
    try:
        yield
    except TrenovaError as error:
        error.database_setting = source_of(settings, login)
        raise


def with_login(url: str, folder: Folder, login: Login) -> str:
    """The address with this login and its password; unchanged if the data folder has no password for it."""
    password = folder.read_secret(login.secret)
    where = urlsplit(url)
    return where._replace(netloc=f"{login.name}:{password}@{where.hostname}:{where.port}").geturl() if password else url


def api_address(settings: config.Settings) -> str:
    """The address at which this machine can reach the API of these settings."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api.host, settings.api.host)  # noqa: S104 - not to listen
    return f"http://[{host}]:{settings.api.port}" if ":" in host else f"http://{host}:{settings.api.port}"
