"""The PostgreSQL data folder: where it is, which user owns it, and how it is created."""

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trenova.dev import binaries, users
from trenova.dev.binaries import Binaries
from trenova.dev.part import Part
from trenova.dev.process import Process
from trenova.dev.users import User
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import Folder, make_folder, read_json, sync_folder, write_private
from trenova.runtime.installation.logins import OWNER

# For root: the place of the data when the user that runs PostgreSQL cannot enter Trenova's data folder.
SHARED = Path("/var/lib/trenova")
BUILTIN_LOCALES_SINCE = 17
INITDB_LIMIT_S = 600
MEMORY = "postgres.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A complete PostgreSQL data folder, the programs that can open it and the user they must run as."""

    binaries: Binaries
    data: Path
    user: User | None


async def open_cluster(folder: Folder, say: Callable[[str], None]) -> Cluster:
    """The folder's cluster, created at the first start. `say` reports an unexpected place of programs or data."""
    data = find_data(folder)
    user = None
    if os.geteuid() == 0:
        # Existing data keeps its owner.
        user = users.owner_of(data) if data else users.ensure_user()
    programs = binaries.find(major_of(data) if data else None)
    if user is not None:
        original, programs = programs, await binaries.make_usable_by(user, programs, SHARED)
        if programs != original:
            say(
                f"PostgreSQL runs from a copy in {programs.folder}, "
                f"because the user {user.name} may not enter {original.folder}"
            )
    if data is None:
        data = await choose_place(folder, user)
        if not data.is_relative_to(folder.path):
            name = user.name if user else ""
            say(f"PostgreSQL's data is kept in {data}, because the user {name} may not enter {folder.path}")
        await initialise(folder, Cluster(binaries=programs, data=data, user=user))
    # Killed before this: the data is complete anyway, and the next start runs this line again.
    remember_data(folder, data, complete=True)
    return Cluster(binaries=programs, data=data, user=user)


def find_data(folder: Folder) -> Path | None:
    """The data of an earlier start, if its initdb finished."""
    memory = read_json(folder.path / MEMORY)
    place = memory.get("data")
    if not isinstance(place, str):
        return None
    data = folder.path / place  # relative inside the data folder, so that the folder can be moved
    if data.exists():
        return data
    if memory.get("complete"):
        raise PartFailed(
            f"PostgreSQL's data is missing: {data} does not exist",
            hint=f"move it back to that place, or remove {folder.path} to start with an empty database",
        )
    return None


def remember_data(folder: Folder, data: Path, *, complete: bool) -> None:
    place = data.relative_to(folder.path) if data.is_relative_to(folder.path) else data
    memory = {"data": str(place), "complete": complete}
    if memory != read_json(folder.path / MEMORY):
        write_private(folder.path / MEMORY, json.dumps(memory))


def major_of(data: Path) -> int:
    text = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    return int(text)


async def choose_place(folder: Folder, user: User | None) -> Path:
    """Decide once where the data goes, and remember that place before anything is written there."""
    place = read_json(folder.path / MEMORY).get("data")
    if isinstance(place, str):
        return folder.path / place
    data = folder.path / "postgres" / "data"
    if user is not None and not await users.may_enter(user, folder.path):
        # The random suffix keeps a new data folder of an old name from finding the old data, whose passwords are lost.
        make_folder(SHARED, 0o755)
        data = SHARED / f"{folder.path.name.lstrip('.') or 'data'}-{secrets.token_hex(4)}" / "data"
    remember_data(folder, data, complete=False)
    return data


async def initialise(folder: Folder, cluster: Cluster) -> None:
    """Run initdb next to the final place, and rename its folder once it has finished.

    Killed before the rename: only the draft exists; the next start ends an initdb that still runs, and starts over.
    Killed after it: the cluster is complete, with the password that is in the secrets.
    """
    parent = cluster.data.parent
    make_folder(parent, 0o711)
    draft, password = parent / "data.draft", parent / "initdb-password"
    uid, gid = (cluster.user.uid, cluster.user.gid) if cluster.user else (os.getuid(), os.getgid())

    async def prepare() -> None:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        make_folder(draft, 0o700)
        write_private(password, folder.secret(OWNER.secret))
        for path in (draft, password):
            os.chown(path, uid, gid)

    initdb = Part(
        name="initdb",
        argv=initdb_command(cluster, draft, password),
        env=users.NEUTRAL_ENVIRONMENT,
        log=folder.log("postgres"),
        record=folder.record("initdb"),
        is_ready=never_ready,
        prepare=prepare,
        user=cluster.user,
        folder=Path("/"),
    )
    process = await Process.spawn(initdb)
    try:
        async with asyncio.timeout(INITDB_LIMIT_S):
            await process.wait_until_ended()
    finally:
        await process.stop()
        password.unlink(missing_ok=True)
    if not process.succeeded:
        raise process.failure(f"PostgreSQL's data folder cannot be created: initdb {process.exit_description}")
    draft.rename(cluster.data)
    sync_folder(parent)


async def never_ready(_pid: int) -> bool:
    return False


def initdb_command(cluster: Cluster, draft: Path, password: Path) -> tuple[str, ...]:
    # The built-in locale sorts the same on every machine, so indexes stay valid when the system's C library changes.
    builtin = cluster.binaries.major >= BUILTIN_LOCALES_SINCE
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if builtin else ()
    return (
        str(cluster.binaries.initdb),
        f"--pgdata={draft}",
        f"--username={OWNER.name}",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
        "--encoding=UTF8",
        "--locale=C",
        *locale,
    )
