"""The data folder: where its files are, who may read them, and a lock so that one process at a time manages it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trenova.errors import PartFailed

FORMAT = 1  # increased when older releases can no longer use the folder
PASSWORD_BYTES = 32


class Folder:
    """Paths of one data folder. Raises PartFailed for a folder of a newer release; creates what is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self._create()
            self._check_format()
        except OSError as error:
            raise PartFailed(
                f"the data folder {self.path} cannot be used: {error.strerror or error}",
                hint="name a folder that you can write to with --data-dir",
            ) from error
        self.state = self.path / "dev.json"
        self.embedded = self.path / "embedded.json"

    def log(self, part: str) -> Path:
        return self.path / "logs" / f"{part}.log"

    def record(self, process: str) -> Path:
        """The file with pid and start time of a running process, for the next start after a crash."""
        return self.path / "run" / f"{process}.json"

    @property
    def dev_record(self) -> Path:
        """The record of the `trenova dev` that manages the folder."""
        return self.record("dev")

    @property
    def keeper_record(self) -> Path:
        """The record of the keeper, which runs PostgreSQL for `trenova api` and `trenova worker`."""
        return self.record("keeper")

    @property
    def users(self) -> Path:
        """The folder with a file for each process that uses PostgreSQL."""
        return self.path / "run" / "users"

    def port(self, part: str) -> Path:
        """The file with the port of a part, so that the next start uses the same one."""
        return self.path / "run" / f"{part}.port"

    def secret(self, name: str) -> str:
        """The random secret of this name, created at the first call."""
        existing = self.read_secret(name)
        if existing is not None:
            return existing
        created = secrets.token_urlsafe(PASSWORD_BYTES)
        self.write_secret(name, created)
        return created

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
    def hold(self) -> Iterator[None]:
        """Lock the folder for this process. The kernel releases the lock when the process dies."""
        with lock(self.path / "lock", f"the data folder {self.path}"):
            yield

    @contextmanager
    def explain_permission_errors(self) -> Iterator[None]:
        """Turn a PermissionError into PartFailed: another user's files are in the folder, as after `sudo make run`."""
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
            # The system user that runs PostgreSQL for root must be able to enter.
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
                f"the data folder {self.path} has format {text[:20]!r}, but this release supports only {FORMAT}",
                hint="use the newer release that wrote it, or name another folder with --data-dir",
            )


def make_folder(path: Path, mode: int) -> None:
    """Create a folder with exactly this mode, whatever the umask; an existing folder is not changed."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically, readable by its owner only. A crash leaves the old file or the new one."""
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
    """Flush a folder to disk, so that creations and renames in it survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file that we wrote; empty if the file is missing or broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def lock(file: Path, what: str) -> Iterator[None]:
    """Raises PartFailed if another process holds the lock; `what` names the locked thing in its message."""
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
