"""Reads the body of a request, for every route of every server.

The announced length is compared with the limit before a byte is read. Then the body must arrive at a minimum rate, is
counted as it arrives, and is charged to the byte budget that all bodies share.
"""

import asyncio
from typing import Any

from litestar import Request

from trenova.config import KIB
from trenova.errors import InvalidRequest, RequestTooLarge, RequestTooSlow
from trenova.runtime.http.byte_budget import ByteBudget, Reservation, budget_exhausted

# The rate counts after this time: a client may wait for `100 Continue` first.
GRACE_S = 10
# On average from then on. A body of 16 MiB takes 17 minutes at most, at the expense of its own tenant only.
MIN_BYTES_PER_S = 16 * KIB
# A process that stalled finds the bytes that arrived meanwhile only after its timers have fired: it looks once more.
LAST_LOOK_S = 1


async def read_body(
    request: Request[Any, Any, Any], *, max_bytes: int, budget: ByteBudget, reservation: Reservation
) -> bytes:
    """The body, whose bytes are charged to `reservation`.

    Raises RequestTooLarge for more than `max_bytes`, RequestTooSlow, InvalidRequest when the client disconnects, and
    Busy when the budget is exhausted.
    """
    check_announced(request, max_bytes)
    began = asyncio.get_running_loop().time()
    parts: list[bytes] = []
    received = 0
    while True:
        message = await receive_part(request, reservation, deadline=began + GRACE_S + received / MIN_BYTES_PER_S)
        if message is None:
            raise too_slow(received)
        if reservation.lost:
            raise budget_exhausted()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("the client disconnected before its body was complete")
        part = message["body"]
        received += len(part)
        if received > max_bytes:
            raise too_large(max_bytes)
        budget.grow(reservation, len(part))
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def receive_part(request: Request[Any, Any, Any], reservation: Reservation, *, deadline: float) -> Any:
    """The next part of the body; None when it does not arrive in time."""
    for limit in (deadline, deadline + LAST_LOOK_S):
        try:
            async with asyncio.timeout_at(limit) as reservation.reading:
                return await request.receive()
        except TimeoutError:
            if reservation.lost:
                raise budget_exhausted() from None
        finally:
            reservation.reading = None
    return None


def check_announced(request: Request[Any, Any, Any], max_bytes: int) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large(max_bytes, f"; {int(announced):,} bytes are announced")


def too_large(max_bytes: int, announced: str = "") -> RequestTooLarge:
    return RequestTooLarge(f"the body is larger than {max_bytes:,} bytes, the limit of this route{announced}")


def too_slow(received: int) -> RequestTooSlow:
    return RequestTooSlow(
        f"the body arrives too slowly: {received:,} bytes were received. After {GRACE_S} s it must arrive at "
        f"{MIN_BYTES_PER_S:,} bytes per second on average",
        hint="send smaller requests, or use a faster connection",
    )
