"""What a client may conclude from an answer that is this server's fault: whether its entries are in, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from litestar import Request

from trenova.errors import ClientMessage, TrenovaError

# A route names what it does in its `opt` under this key. One that does not changes nothing.
EFFECT = "effect"
ADDS_ENTRIES, CHANGES = "takes entries", "changes"

ENTRY_EFFECTS = {
    "nothing": "nothing of this request was taken in",
    "unknown": "it is not known whether this request was taken in",
}
CHANGE_EFFECTS = {
    "nothing": "this request has changed nothing",
    "unknown": "it is not known whether this request took effect",
}
RETRY_ENTRIES = "send the same request again, with the same ids or the same Idempotency-Key: no entry is stored twice"
RETRY_CHANGE = "send the same request again: it does no harm if it has taken effect already"
RETRY = "ask again"
AFTER_A_WHILE = ", after the seconds in the header Retry-After"
REPORT = "; if that fails as well, give the operator of this server the request id"


def client_message(request: Request[Any, Any, Any], error: TrenovaError) -> ClientMessage:
    """What the error tells a client, and what follows for this request."""
    told = error.for_client
    wait = AFTER_A_WHILE if error.retryable else REPORT
    effect = effect_of(request)
    if effect == ADDS_ENTRIES:
        return ClientMessage(f"{told.detail}; {ENTRY_EFFECTS[error.effect]}", told.hint or RETRY_ENTRIES + wait)
    if effect == CHANGES:
        return ClientMessage(f"{told.detail}; {CHANGE_EFFECTS[error.effect]}", told.hint or RETRY_CHANGE + wait)
    return ClientMessage(told.detail, told.hint or RETRY + wait)


def effect_of(request: Request[Any, Any, Any]) -> str | None:
    """What the request's route does; None where it changes nothing, or where no route was found."""
    handler = cast("dict[str, Any]", request.scope).get("route_handler")
    effect: str | None = handler.opt.get(EFFECT) if handler else None
    return effect


@contextmanager
def effect_unknown_on_error() -> Iterator[None]:
    """Whatever fails in this block, and is said to have changed nothing: what came before it in the block may have."""
    try:
        yield
    except TrenovaError as error:
        error.effect = "unknown"
        raise
