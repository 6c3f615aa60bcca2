"""How large a page with bodies may become."""

from collections.abc import Iterable

from trenova.config import MIB

# A page ends with the body that makes it larger than this, whatever its limit: a process holds several pages at once,
# and several copies of each. PostgreSQL never reads the bodies that are left out.
MAX_PAGE_BYTES = 8 * MIB


def is_full(bodies: Iterable[bytes | None]) -> bool:
    """Whether a page with these bodies may have ended before its limit."""
    return sum(len(body or b"") for body in bodies) > MAX_PAGE_BYTES
