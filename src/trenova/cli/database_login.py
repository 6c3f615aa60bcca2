"""The login that a command needs, and the error for one with fewer rights."""

from collections.abc import Iterator
from contextlib import contextmanager

from trenova import config
from trenova.errors import DatabaseFault, Forbidden
from trenova.runtime.installation.logins import Login
from trenova.runtime.installation.settings import naming, setting_of
from trenova.runtime.process import database_url


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
