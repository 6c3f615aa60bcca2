"""When a failed attempt is followed by the next."""

from datetime import timedelta

import pytest

from trenova.activities.failures import OPERATOR_RETRY_DELAY, activity_failure
from trenova.errors import (
    DatabaseFault,
    InvalidConfiguration,
    LedgerDamaged,
    RowRejected,
    SchemaMismatch,
    TrenovaError,
    Unavailable,
)


def test_an_error_that_may_pass_is_retried_by_the_retry_policy() -> None:
    failure = activity_failure(Unavailable("the database is unavailable"))
    assert (failure.message, failure.type) == ("the database is unavailable", "Unavailable")
    assert (failure.non_retryable, failure.next_retry_delay) == (False, None)


@pytest.mark.parametrize(
    "error",
    [
        DatabaseFault("a right is missing"),
        RowRejected(code="23514", reason="of the whole"),
        LedgerDamaged("a tile is gone"),
        SchemaMismatch("older"),
        InvalidConfiguration(["no key"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_needs_an_operator_is_retried_rarely_but_never_given_up(error: TrenovaError) -> None:
    failure = activity_failure(error)
    assert not failure.non_retryable
    assert failure.next_retry_delay == OPERATOR_RETRY_DELAY == timedelta(minutes=5)
