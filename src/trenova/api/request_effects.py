"""What a server error says to the client: whether its request took effect, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from litestar import Request

from trenova.errors import ClientMessage, TrenovaError

# A route declares what it does in its `opt` under this key. A route without it changes nothing.
EFFECT = "effect"
ADDS_ENTRIES, CHANGES = "adds entries", "changes"

ENTRY_EFFECTS = {
    "nothing": "nothing of this request was accepted",
    "unknown": "it is not known whether this request was accepted",
}
CHANGE_EFFECTS = {
    "nothing": "this request has changed nothing",
    "unknown": "it is not known whether this request took effect",
}
RETRY_ENTRIES = "send the same request again, with the same ids or the same Idempotency-Key: no entry is stored twice"
RETRY_CHANGE = "send the same request again: it does no harm if it has taken effect already"
RETRY = "send the request again"
AFTER_A_WHILE = ", after the number of seconds in the header Retry-After"
REPORT = "; if that fails too, give the operator of this server the request id"


def client_message(request: Request[Any, Any, Any], error: TrenovaError) -> ClientMessage:
    """The error as the client sees it, with what it means for this request and what to do next."""
    message = error.for_client
    wait = AFTER_A_WHILE if error.retryable else REPORT
    effect = effect_of(request)
    if effect == ADDS_ENTRIES:
        return ClientMessage(f"{message.detail}; {ENTRY_EFFECTS[error.effect]}", message.hint or RETRY_ENTRIES + wait)
    if effect == CHANGES:
        return ClientMessage(f"{message.detail}; {CHANGE_EFFECTS[error.effect]}", message.hint or RETRY_CHANGE + wait)
    return ClientMessage(message.detail, message.hint or RETRY + wait)


def effect_of(request: Request[Any, Any, Any]) -> str | None:
    """What the request's route does; None if it changes nothing, or no route was found."""
    handler = cast("dict[str, Any]", request.scope).get("route_handler")
    effect: str | None = handler.opt.get(EFFECT) if handler else None
    return effect


@contextmanager
def effect_unknown_on_error() -> Iterator[None]:
    """Mark the effect of any error in the block as unknown: earlier steps of the block may have changed something."""
    try:
        yield
    except TrenovaError as error:
        error.effect = "unknown"
        raise
