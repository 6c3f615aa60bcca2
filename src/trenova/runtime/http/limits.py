"""What one connection may use before its client is authenticated."""

from dataclasses import dataclass

from trenova.config import KIB, MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The defaults apply to every HTTP server of Trenova."""

    target_bytes: int = 32 * KIB
    """Of the path and the query. The longest search has 12 KiB of percent-encoded text for each of its filters."""
    head_bytes: int = 64 * KIB
    """Of the target and all headers together; also, separately, of all trailers after a chunked body."""
    headers: int = 100
    """Per request; also, separately, trailers."""
    head_s: float = 10
    """From the first byte of a request, or from the start of its connection, until its head is complete."""
    linger_s: float = 5
    """How long a body is still read and discarded after its request has been answered."""
    unread_answer_s: float = 60
    """Within this time a client must read at least `least_taken_bytes` of an answer."""
    least_taken_bytes: int = 64 * KIB
    unread_answers_bytes: int = 128 * MIB
    """Of all answers that clients have not read yet."""
    pipelined: int = 32
    """Requests on one connection that wait for the answer to an earlier one."""
    connections: int = 2000
    """Per server. Above this, the connection that has been idle the longest is closed."""
