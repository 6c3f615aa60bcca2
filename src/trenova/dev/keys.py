"""The keys of `trenova dev`: made once and kept in the data folder."""

from pathlib import Path

from trenova.runtime.installation.folder import Folder

FILE = "api-key"
NAME = "trenova dev"
SIGNING_FILE, SIGNING_NAME = "signing-key", "trenova-dev"


async def dev_key(folder: Folder, database_url: str) -> str:
    """An API key of role admin for any tenant, the same as long as it is good.

    Killed between creating it and keeping it: a key that nobody knows is left in the list, and the next start makes
    another.
    """
    from trenova.store import Store  # noqa: PLC0415 - slow to import, and the two servers alone need no store

    async with Store.open(database_url) as store:
        kept = folder.read_secret(FILE)
        if kept is not None and await store.api_keys.find(kept) is not None:
            return kept
        made = await store.api_keys.create(tenant=None, role="admin", name=NAME, by=NAME)
        folder.write_secret(FILE, made.text)
        return made.text


def signing_key(folder: Folder) -> Path:
    """The file with the key that signs the logs: another key would make other logs of them."""
    from trenova.keys.signing import generate_key  # noqa: PLC0415 - slow to import, and the two servers alone need no key

    if folder.read_secret(SIGNING_FILE) is None:
        folder.write_secret(SIGNING_FILE, f"{generate_key(SIGNING_NAME)}\n")
    return folder.secret_file(SIGNING_FILE)
