"""How large a page of anything with bodies becomes."""

from collections.abc import Iterable

from trenova.config import MIB

# A page ends behind the body that makes it larger than this, however many were asked for: a process holds several pages
# at once, each several times over. What is left out is never read from where large bodies lie.
MAX_PAGE_BYTES = 8 * MIB


def is_full(bodies: Iterable[bytes | None]) -> bool:
    """Whether a page with these may have ended before its time."""
    return sum(len(body or b"") for body in bodies) > MAX_PAGE_BYTES
