"""The API key of `trenova dev`: made once, kept in the data folder, used again while it is good."""

from trenova.dev.folder import Folder

FILE = "api-key"
NAME = "trenova dev"


async def dev_key(folder: Folder, database_url: str) -> str:
    """A key of role admin for any tenant.

    Killed between creating it and keeping it: a key that nobody knows is left in the list, and the next start makes
    another.
    """
    from trenova.store import Store  # noqa: PLC0415 - slow to import, and the two servers alone need no store

    async with Store.open(database_url) as store:
        kept = folder.read_secret(FILE)
        if kept is not None and await store.api_keys.find(kept) is not None:
            return kept
        made = await store.api_keys.create(tenant=None, role="admin", name=NAME)
        folder.write_secret(FILE, made.text)
        return made.text
