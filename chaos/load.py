"""The writers' process as the run sees it: start it, follow its journal, stop it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from chaos import entries
from chaos.entries import Author
from chaos.journal import Memory, Reader
from chaos.writers import Job
from trenova.dev.environment import own_environment
from trenova.dev.process import last_lines
from trenova.errors import PartFailed

REPOSITORY = Path(__file__).parents[1]
# Machines stall for less; without progress for this long there will be none.
STUCK_S = 300


@dataclass(slots=True)
class Load:
    """The load of a run, and what its journal says."""

    job: Job
    log: Path
    memory: Memory = field(default_factory=Memory)
    reader: Reader = field(init=False)
    child: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        self.reader = Reader(Path(self.job.journal))

    @property
    def authors(self) -> tuple[Author, ...]:
        return entries.authors(self.job.tenants)

    @property
    def tenants(self) -> list[str]:
        return sorted({author.tenant for author in self.authors})

    @property
    def acknowledged(self) -> int:
        """How many entries, as far as the journal has been read."""
        return sum(self.authors[author].entries_each for author, _ in self.memory.acknowledged)

    def read(self) -> None:
        """Read the new lines of the journal. Raises PartFailed if the writers have exited with an error."""
        for note in self.reader.new():
            self.memory.take(note)
        if self.child is not None and self.child.returncode:
            raise PartFailed(f"the writers ended with exit code {self.child.returncode}: {last_lines(self.log)}")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send during the block. Returns when everything that was sent is acknowledged; TimeoutError after STUCK_S."""
        file = Path(self.job.journal).with_name("job.json")
        file.write_bytes(msgspec.json.encode(self.job))
        with self.log.open("wb") as log:
            self.child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chaos.writers", str(file)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env=own_environment(os.environ),
                start_new_session=True,  # Ctrl-C reaches only the run, which then stops it
            )
        try:
            yield
            with suppress(ProcessLookupError):
                self.child.terminate()
            async with asyncio.timeout(STUCK_S):
                await self.child.wait()
            self.read()
        finally:
            with suppress(ProcessLookupError):
                self.child.kill()
            await self.child.wait()
