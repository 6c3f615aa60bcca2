"""Which processes use the PostgreSQL of a data folder. Each holds a lock on a file of its own in `run/users`.

The kernel gives the lock up when the process dies, however it dies: a file without one is of a process that has gone.
"""

import asyncio

from trenova.dev import orphans
from trenova.errors import PartFailed
from trenova.runtime.installation import members
from trenova.runtime.installation.folder import Folder

# The process that runs PostgreSQL for the members, and the supervisor of `trenova dev`, as records of the folder.
KEEPER, DEV = "keeper", "dev"
LOOK_EVERY_S = 0.25


async def wait_until_gone(folder: Folder) -> None:
    """Comes back when no keeper works in the folder. Raises PartFailed while somebody uses its PostgreSQL.

    So it does where the keeper was killed, and has left its record: whoever takes the folder ends that PostgreSQL.
    """
    while folder.record(KEEPER).exists():
        if found := members.members(folder):
            names = " and ".join(map(str, found))
            raise PartFailed(
                f"the data folder {folder.path} is in use: its PostgreSQL runs for {names}",
                hint="stop them first (Ctrl-C in their terminals), or name another folder with --data-dir",
            )
        if orphans.recorded(folder.record(KEEPER)) is None:
            return
        await asyncio.sleep(LOOK_EVERY_S)
