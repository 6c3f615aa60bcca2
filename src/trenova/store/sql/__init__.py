"""The store's SQL, a statement a file."""

from importlib.resources import files


def sql(name: str) -> str:
    """The text of `<name>.sql` in this folder."""
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
