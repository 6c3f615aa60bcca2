"""What one connection may take before anybody knows who is at its other end."""

from dataclasses import dataclass

from trenova.config import KIB, MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The defaults are those of every server of ours."""

    target_bytes: int = 32 * KIB
    """Of the path and the query. The longest search is 12 KiB of percent signs for each of its filters."""
    head_bytes: int = 64 * KIB
    """Of the target and all headers together; again of all trailers behind a chunked body."""
    headers: int = 100
    """Of a request, and of trailers."""
    head_s: float = 10
    """From the first byte of a request, or from the opening of its connection, until its head is complete."""
    linger_s: float = 5
    """How long a body is still read and thrown away after its request was answered or refused."""
    unread_answer_s: float = 60
    """Within this time a client takes at least `least_taken_bytes` of an answer that waits for it."""
    least_taken_bytes: int = 64 * KIB
    unread_answers_bytes: int = 128 * MIB
    """Of all answers that wait for their clients."""
    pipelined: int = 32
    """Requests that wait on one connection for the answer to the one before them."""
    connections: int = 2000
    """Of one server. Past it the one that has been without a request for the longest is closed."""
