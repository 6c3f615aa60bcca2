"""The host in libpq's service file, handed to psycopg.

libpq looks up a name that only it knows, and blocks the whole process: for half a minute where the name server does not
answer. psycopg looks up a name that it knows without blocking. Login, password and certificates stay in the file, and
libpq reads them for each connection.
"""

import os
from collections.abc import Mapping

from psycopg import pq
from sqlalchemy.engine import URL


def with_host_of_service(url: URL) -> URL:
    """The address with the host and port that its service has in the file now; any other address unchanged."""
    service = url.query.get("service") or os.environ.get("PGSERVICE")
    if not isinstance(service, str) or url.host or {"host", "hostaddr"} & url.query.keys():
        return url
    settings = settings_of(service)
    return url.update_query_dict(
        {name: settings[name] for name in ("host", "port") if name in settings and "host" in settings}
    )


def settings_of(service: str) -> Mapping[str, str]:
    """The settings that libpq reads for the service, with its defaults. Empty where it cannot: connecting says why."""
    before = os.environ.get("PGSERVICE")
    os.environ["PGSERVICE"] = service
    try:
        options = pq.Conninfo.get_defaults()
    finally:
        if before is None:
            del os.environ["PGSERVICE"]
        else:
            os.environ["PGSERVICE"] = before
    return {option.keyword.decode(): option.val.decode() for option in options if option.val is not None}
