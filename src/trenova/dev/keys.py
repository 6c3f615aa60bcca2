"""The keys of a data folder, created once: an API key and the key that signs the ledgers."""

from pathlib import Path

from trenova.runtime.installation.folder import Folder

FILE = "api-key"
NAME = "trenova dev"
SIGNING_FILE, SIGNING_NAME = "signing-key", "trenova-dev"


async def dev_api_key(folder: Folder, database_url: str) -> str:
    """An API key of role admin for any tenant, the same at each start as long as it is valid.

    Killed between creating and writing it: an unused key stays in the list, and the next start creates another.
    """
    from trenova.store import Store  # noqa: PLC0415 - slow to import, and the two servers alone need no store

    async with Store.open(database_url) as store:
        existing = folder.read_secret(FILE)
        if existing is not None and await store.api_keys.find(existing) is not None:
            return existing
        created = await store.api_keys.create(tenant=None, role="admin", name=NAME, by=NAME)
        folder.write_secret(FILE, created.text)
        return created.text


def signing_key(folder: Folder) -> Path:
    """The file with the key that signs the ledgers, created if missing. Verifiers know a ledger by this key."""
    from trenova.keys.signing import generate_key  # noqa: PLC0415 - slow to import, and the two servers alone need no key

    if folder.read_secret(SIGNING_FILE) is None:
        folder.write_secret(SIGNING_FILE, f"{generate_key(SIGNING_NAME)}\n")
    return folder.secret_file(SIGNING_FILE)
