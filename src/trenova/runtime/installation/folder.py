"""The data folder: what lies where, who may read it, and that one supervisor at a time works in it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trenova.errors import PartFailed

FORMAT = 1  # raised when an older release could no longer work with the folder
PASSWORD_BYTES = 32


class Folder:
    """Paths of one data folder. Opening it creates what is missing and refuses a folder of a newer release."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self._create()
            self._check_format()
        except OSError as error:
            raise PartFailed(
                f"the data folder {self.path} cannot be used: {error.strerror or error}",
                hint="name a folder that you may write to with --data-dir",
            ) from error
        self.state = self.path / "dev.json"
        self.embedded = self.path / "embedded.json"

    def log(self, part: str) -> Path:
        return self.path / "logs" / f"{part}.log"

    def record(self, process: str) -> Path:
        """Where pid and start time of a running process are kept, for the run that comes after a crash."""
        return self.path / "run" / f"{process}.json"

    @property
    def users(self) -> Path:
        """Where those that use the PostgreSQL of the folder say so."""
        return self.path / "run" / "users"

    def port(self, part: str) -> Path:
        """Where the port of a part is kept, so that the next start gives it the same one."""
        return self.path / "run" / f"{part}.port"

    def secret(self, name: str) -> str:
        """The random secret of this name, made when it is first asked for."""
        kept = self.read_secret(name)
        if kept is not None:
            return kept
        made = secrets.token_urlsafe(PASSWORD_BYTES)
        self.write_secret(name, made)
        return made

    def read_secret(self, name: str) -> str | None:
        try:
            return self.secret_file(name).read_text(encoding="utf-8") or None
        except FileNotFoundError:
            return None

    def write_secret(self, name: str, text: str) -> None:
        write_private(self.secret_file(name), text)

    def secret_file(self, name: str) -> Path:
        return self.path / "secrets" / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the kernel gives it up when the process dies, however it dies."""
        with lock(self.path / "lock", f"the data folder {self.path}"):
            yield

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Raises PartFailed for what another user has left in the folder, root by `sudo make run`, say."""
        try:
            yield
        except PermissionError as error:
            raise PartFailed(
                f"{error.filename or self.path} belongs to another user",
                hint="start as the user who started it before, or name another folder with --data-dir",
            ) from error

    def _create(self) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The system user that runs PostgreSQL for root must be able to pass through.
            make_folder(self.path, 0o711 if os.geteuid() == 0 else 0o700)
        make_folder(self.path / "logs", 0o700)
        make_folder(self.path / "run", 0o700)
        make_folder(self.users, 0o700)
        make_folder(self.path / "secrets", 0o700)

    def _check_format(self) -> None:
        file = self.path / "version"
        if not file.exists():
            write_private(file, f"{FORMAT}\n")
            return
        text = file.read_text(encoding="utf-8").strip()
        if not text.isdecimal() or int(text) > FORMAT:
            raise PartFailed(
                f"the data folder {self.path} has format {text[:20]!r}, this release knows {FORMAT}",
                hint="use the newer release that wrote it, or name another folder with --data-dir",
            )


def make_folder(path: Path, mode: int) -> None:
    """Create a folder with exactly this mode, whatever the umask; one that exists is left as it is."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only. A crash leaves the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make creations and renames in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file that we wrote; a file that is missing or broken counts as empty."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def lock(file: Path, what: str) -> Iterator[None]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            raise PartFailed(
                f"{what} is in use by another trenova dev (pid {holder or 'unknown'})",
                hint="stop that one, or name another folder with --data-dir",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
