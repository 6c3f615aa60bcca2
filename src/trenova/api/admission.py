"""How many bytes of requests this process holds at once. Past it callers are told to come back."""

from collections.abc import Iterator
from contextlib import contextmanager

from trenova.config import MIB
from trenova.errors import Unavailable

# Entries are held several times over while they are read, sealed, encoded and sent: a fraction of the 300 MB that the
# process may grow to.
MAX_HELD_BYTES = 32 * MIB


class Admission:
    def __init__(self, max_bytes: int = MAX_HELD_BYTES) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Hold room for a request of `size` bytes. A request that is alone is always let in."""
        if self.held_bytes and self.held_bytes + size > self.max_bytes:
            raise Unavailable("this server holds as many entries as it can", retry_after_s=1)
        self.held_bytes += size
        try:
            yield
        finally:
            self.held_bytes -= size
