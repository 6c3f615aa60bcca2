"""The store's SQL, one whole statement in each file.

A statement is composed in Python only where its text depends on the question: a search, whose shape follows its filters
(`store.search`, in SQLAlchemy expressions); the walks of a verification, which put the walk of one index into a frame
(`walks/digests.sql`, `walks/lost.sql`, EXPLAIN); and SET TRANSACTION SNAPSHOT, which takes no parameters. Migrations
have their own SQL in `migrations/versions/`.
"""

from importlib.resources import files


def sql(name: str) -> str:
    """The text of `<name>.sql` in this folder."""
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
