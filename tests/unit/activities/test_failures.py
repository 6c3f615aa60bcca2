"""When a failed attempt is followed by the next."""

from datetime import timedelta

import pytest

from trenova.activities.failures import OPERATOR_RETRY_DELAY, activity_failure
from trenova.errors import (
    CheckpointConflict,
    DatabaseFault,
    InvalidConfiguration,
    LedgerDamaged,
    RowRejected,
    SchemaMismatch,
    TemporalDenied,
    TemporalUnreachable,
    TrenovaError,
    Unavailable,
    WitnessUnavailable,
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


@pytest.mark.parametrize(
    ("error", "failure_type"),
    [
        (CheckpointConflict, "CheckpointRefused"),
        (DatabaseFault, "DatabaseFault"),
        (LedgerDamaged, "LogDamaged"),
        (RowRejected, "RowRefused"),
        (TemporalDenied, "TemporalRefuses"),
        (TemporalUnreachable, "TemporalAway"),
        (WitnessUnavailable, "WitnessFails"),
    ],
)
def test_a_renamed_error_keeps_in_histories_the_name_of_its_first_release(
    error: type[TrenovaError], failure_type: str
) -> None:
    assert error.failure_type == failure_type
