"""What a client learns about a failed request that would have changed something."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from litestar import Request

from trenova.api.request_effects import CHANGES, EFFECT, client_message, effect_unknown_on_error
from trenova.errors import Busy, DatabaseFault, TrenovaError, Unavailable

REQUEST = cast(
    "Request[Any, Any, Any]", SimpleNamespace(scope={"route_handler": SimpleNamespace(opt={EFFECT: CHANGES})})
)


@pytest.mark.parametrize(
    ("error", "changed"),
    [
        (Unavailable("the database is unavailable"), "this request has changed nothing"),
        (DatabaseFault("a right is missing"), "it is not known whether this request took effect"),
    ],
)
def test_it_says_whether_anything_was_changed(error: TrenovaError, changed: str) -> None:
    message = client_message(REQUEST, error)
    assert message.detail.endswith(changed)
    assert message.hint is not None
    assert message.hint.startswith("send the same request again")


def test_a_hint_for_the_client_is_shown() -> None:
    assert (
        client_message(REQUEST, Busy("too much is under way", hint="wait for the others")).hint == "wait for the others"
    )


def test_once_something_may_have_changed_no_error_says_that_nothing_has() -> None:
    error = Unavailable("the database is unavailable")
    with pytest.raises(Unavailable), effect_unknown_on_error():
        raise error
    assert client_message(REQUEST, error).detail.endswith("it is not known whether this request took effect")
