"""The one way in which a request's body is read, by whatever route of whatever server.

Before a byte is read its announced length is compared with the limit. Then it must come at a least rate, is counted as
it comes, and is held in the room that all bodies share.
"""

import asyncio
from typing import Any

from litestar import Request

from trenova.config import KIB
from trenova.errors import InvalidRequest, RequestTooLarge, RequestTooSlow
from trenova.runtime.http.byte_budget import ByteBudget, Reservation, budget_exhausted

# A client may take this long before its rate counts: it may have been asked to wait for `100 Continue`.
GRACE_S = 10
# On average from then on. A body of 16 MiB takes 17 minutes at most, in room that only its own tenant lacks.
MIN_BYTES_PER_S = 16 * KIB
# A process that was held up finds what came meanwhile at its next look, behind the timer that says it is late.
LAST_LOOK_S = 1


async def read_body(request: Request[Any, Any, Any], *, max_bytes: int, room: ByteBudget, hold: Reservation) -> bytes:
    """The body, of which `hold` has the bytes.

    Raises RequestTooLarge for more than `max_bytes`, RequestTooSlow, InvalidRequest when the client hangs up, and
    Busy when there is no room.
    """
    check_announced(request, max_bytes)
    began = asyncio.get_running_loop().time()
    parts: list[bytes] = []
    received = 0
    while True:
        message = await receive_part(request, hold, deadline=began + GRACE_S + received / MIN_BYTES_PER_S)
        if message is None:
            raise too_slow(received)
        if hold.lost:
            raise budget_exhausted()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("the client hung up before its body was complete")
        part = message["body"]
        received += len(part)
        if received > max_bytes:
            raise too_large(max_bytes)
        room.grow(hold, len(part))
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def receive_part(request: Request[Any, Any, Any], hold: Reservation, *, deadline: float) -> Any:
    """The next part of the body; None when it has not come in time."""
    for limit in (deadline, deadline + LAST_LOOK_S):
        try:
            async with asyncio.timeout_at(limit) as hold.reading:
                return await request.receive()
        except TimeoutError:
            if hold.lost:
                raise budget_exhausted() from None
        finally:
            hold.reading = None
    return None


def check_announced(request: Request[Any, Any, Any], max_bytes: int) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large(max_bytes, f" {int(announced):,} bytes are announced.")


def too_large(max_bytes: int, found: str = "") -> RequestTooLarge:
    return RequestTooLarge(
        f"the body is larger than {max_bytes:,} bytes, the most that is taken here.{found}".rstrip(".")
    )


def too_slow(received: int) -> RequestTooSlow:
    return RequestTooSlow(
        f"the body comes too slowly: {received:,} bytes were received. After {GRACE_S} s it must come at "
        f"{MIN_BYTES_PER_S:,} bytes a second on average",
        hint="send it in smaller requests, or over a faster connection",
    )
