"""The host that libpq's service file names, told to psycopg.

A name that only libpq knows is looked up inside of it, and the whole process stands still meanwhile: for half a minute
where the name server does not answer. A name that psycopg knows is looked up beside everything else. Login, password
and certificates stay in the file, and are read there for each connection.
"""

import os
from collections.abc import Mapping

from psycopg import pq
from sqlalchemy.engine import URL


def with_host_of_service(url: URL) -> URL:
    """The address with host and port of its service, as the file has them now; any other address as it is."""
    service = url.query.get("service") or os.environ.get("PGSERVICE")
    if not isinstance(service, str) or url.host or {"host", "hostaddr"} & url.query.keys():
        return url
    named = settings_of(service)
    return url.update_query_dict({name: named[name] for name in ("host", "port") if name in named and "host" in named})


def settings_of(service: str) -> Mapping[str, str]:
    """What libpq reads for it, with its own defaults. Nothing where it cannot: a connection then says why."""
    before = os.environ.get("PGSERVICE")
    os.environ["PGSERVICE"] = service
    try:
        found = pq.Conninfo.get_defaults()
    finally:
        if before is None:
            del os.environ["PGSERVICE"]
        else:
            os.environ["PGSERVICE"] = before
    return {option.keyword.decode(): option.val.decode() for option in found if option.val is not None}
