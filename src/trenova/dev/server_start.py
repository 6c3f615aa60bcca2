"""What a server needs before it starts, its database and its keys; one error names everything that is missing."""

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
from trenova.runtime.installation.settings import has_signing_key, with_running
from trenova.runtime.process import database_url

HINT = "docs/running.md says what a server needs; `make dev` makes all of it on this machine"


@contextmanager
def complete(loaded: Settings, data_dir: Path, login: Login, *, command: str, signs: bool) -> Iterator[Settings]:
    """The settings with everything that the server needs, for as long as it runs.

    Without a `database.url`, and where Temporal is this machine's own, that is the PostgreSQL of the data folder, which
    is started if it does not run. Raises InvalidConfiguration with everything that is missing elsewhere: whatever the
    data folder says, a server with Temporal elsewhere gets no database that was not given to it.
    """
    if loaded.database.url is not None or not has_own(loaded.temporal, data_dir):
        check(loaded, os.environ, signs=signs)
        yield loaded
        return
    given = with_running(loaded, data_dir, login)
    # The folder has a database, and a signing key unless another is given; its PostgreSQL starts for nothing but that.
    check(given, os.environ, signs=signs and has_signing_key(given, os.environ), has_database=True)
    with joined(loaded, data_dir, command):
        yield with_running(loaded, data_dir, login)


@contextmanager
def joined(loaded: Settings, data_dir: Path, command: str) -> Iterator[None]:
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
    with ExitStack() as held:
        with folder.owned():
            log_output.write_to(folder.log(command))
            held.enter_context(embedded.joined(folder, member))
        yield


def has_own(temporal: TemporalSettings, data_dir: Path) -> bool:
    """Whether the PostgreSQL of the data folder is for a server with this Temporal, and runs or can be started."""
    return is_own(temporal) and (read_running(data_dir) is not None or is_installed())


def is_own(temporal: TemporalSettings) -> bool:
    """Whether Temporal is on this machine and open to whoever is on it, as `temporal server start-dev` is."""
    host = temporal.host_port.rpartition(":")[0].strip("[]")
    tls = temporal.tls
    asks_for_tls = tls.enabled or (tls.enabled is None and any(value for _, value in tls))
    return is_loopback(host) and temporal.api_key is None and not asks_for_tls


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_installed() -> bool:
    from trenova.dev import embedded  # noqa: PLC0415 - slow to import

    return embedded.is_installed()


def check(given: Settings, environ: Mapping[str, str], *, signs: bool, has_database: bool = False) -> None:
    """Raises InvalidConfiguration with everything that is missing or unusable, each with its next step."""
    from trenova.keys.loading import load_keyring  # noqa: PLC0415 - slow to import
    from trenova.keys.signing import load_signer  # noqa: PLC0415 - slow to import
    from trenova.runtime.connection import tls_of  # noqa: PLC0415 - slow to import

    needs: list[Callable[[], object]] = [
        lambda: tls_of(given.temporal.tls),
        lambda: load_keyring(given.temporal.security, environ),
    ]
    if not has_database:
        needs.insert(0, lambda: database_url(given))
    if signs:
        needs.append(lambda: load_signer(given, environ))
    found = [error for need in needs if (error := complaint(need)) is not None]
    if len(found) == 1:
        raise found[0]
    if found:
        raise InvalidConfiguration([line for error in found for line in lines(error)], hint=HINT)


def complaint(need: Callable[[], object]) -> InvalidConfiguration | None:
    try:
        need()
    except InvalidConfiguration as error:
        return error
    return None


def lines(error: InvalidConfiguration) -> list[str]:
    """Its problems, the last with the next step for all of them."""
    *others, last = error.problems
    return [*others, f"{last}; {error.hint}" if error.hint else last]
