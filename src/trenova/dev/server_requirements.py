"""What an API server or a worker needs before it starts: a database and keys. One error names all that is missing."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

from trenova.config import Settings, TemporalSettings
from trenova.errors import InvalidConfiguration
from trenova.runtime import log_output
from trenova.runtime.installation.folder import Folder
from trenova.runtime.installation.logins import Login
from trenova.runtime.installation.running import read_running
from trenova.runtime.installation.settings import has_signing_key, with_running_installation
from trenova.runtime.process import database_url

HINT = "docs/running.md says what a server needs; `make dev` makes all of it on this machine"


@contextmanager
def complete_settings(
    loaded: Settings, data_dir: Path, login: Login, *, command: str, signs: bool
) -> Iterator[Settings]:
    """The settings with everything that the server needs, valid within the block.

    Without a `database.url`, and with Temporal on this machine, the database is the data folder's PostgreSQL, which is
    started if it is not running. In all other cases, raises InvalidConfiguration with everything that is missing: a
    server whose Temporal is elsewhere never gets a database that is not in its settings.
    """
    if loaded.database.url is not None or not can_use_data_folder(loaded.temporal, data_dir):
        check_requirements(loaded, os.environ, signs=signs)
        yield loaded
        return
    settings = with_running_installation(loaded, data_dir, login)
    # The folder provides the database, and a signing key where none is configured. All else is checked before its
    # PostgreSQL starts.
    check_requirements(settings, os.environ, signs=signs and has_signing_key(settings, os.environ), has_database=True)
    with use_data_folder(loaded, data_dir, command):
        yield with_running_installation(loaded, data_dir, login)


@contextmanager
def use_data_folder(loaded: Settings, data_dir: Path, command: str) -> Iterator[None]:
    from trenova.dev import embedded  # noqa: PLC0415 - slow to import
    from trenova.runtime.installation.members import Member  # noqa: PLC0415 - slow to import
    from trenova.runtime.installation.settings import api_address  # noqa: PLC0415 - slow to import

    folder = Folder(data_dir)
    member = Member(
        command=f"trenova {command}",
        pid=os.getpid(),
        api_url=api_address(loaded),
        temporal_address=loaded.temporal.host_port,
    )
    with ExitStack() as stack:
        with folder.explain_permission_errors():
            log_output.add_file(folder.log(command))
            stack.enter_context(embedded.use_postgres(folder, member))
        yield


def can_use_data_folder(temporal: TemporalSettings, data_dir: Path) -> bool:
    """Whether a server with this Temporal may use the data folder's PostgreSQL, and it runs or can be started."""
    return is_local_temporal(temporal) and (read_running(data_dir) is not None or is_installed())


def is_local_temporal(temporal: TemporalSettings) -> bool:
    """Whether Temporal is on this machine and needs neither TLS nor an API key, like `temporal server start-dev`."""
    host = temporal.host_port.rpartition(":")[0].strip("[]")
    tls = temporal.tls
    uses_tls = tls.enabled or (tls.enabled is None and any(value for _, value in tls))
    return is_loopback(host) and temporal.api_key is None and not uses_tls


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_installed() -> bool:
    from trenova.dev import embedded  # noqa: PLC0415 - slow to import

    return embedded.is_installed()


def check_requirements(
    settings: Settings, environ: Mapping[str, str], *, signs: bool, has_database: bool = False
) -> None:
    """Raises InvalidConfiguration with everything that is missing or unusable, each with its next step."""
    from trenova.keys.loading import load_keyring  # noqa: PLC0415 - slow to import
    from trenova.keys.signing import load_signer  # noqa: PLC0415 - slow to import
    from trenova.runtime.connection import tls_of  # noqa: PLC0415 - slow to import

    checks: list[Callable[[], object]] = [
        lambda: tls_of(settings.temporal.tls),
        lambda: load_keyring(settings.temporal.security, environ),
    ]
    if not has_database:
        checks.insert(0, lambda: database_url(settings))
    if signs:
        checks.append(lambda: load_signer(settings, environ))
    errors = [error for check in checks if (error := configuration_error(check)) is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InvalidConfiguration([line for error in errors for line in problem_lines(error)], hint=HINT)


def configuration_error(check: Callable[[], object]) -> InvalidConfiguration | None:
    try:
        check()
    except InvalidConfiguration as error:
        return error
    return None


def problem_lines(error: InvalidConfiguration) -> list[str]:
    """The problems of an error; its hint follows the last one."""
    *others, last = error.problems
    return [*others, f"{last}; {error.hint}" if error.hint else last]
