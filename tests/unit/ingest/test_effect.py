"""What is said of a request whose start Temporal may have taken in all the same, and of one that it has taken in."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from trenova.api import dead_letters
from trenova.api.services import Services
from trenova.domain.dead_letters import RetryResult
from trenova.errors import EncryptionKeyNotFound, TemporalDenied, TemporalUnreachable, Unavailable
from trenova.ingest import AcceptedBatch, Breaker, PlacedEntries, start, wait_until_stored
from trenova.ingest.start import Handle, Parcel

LOST = (RPCError("x", RPCStatusCode.DEADLINE_EXCEEDED, b""), RuntimeError("no connection"))
UNREADABLE = (
    EncryptionKeyNotFound("encryption key not found for ID: k9"),
    msgspec.ValidationError("expected an object, got what nobody may read"),
    RuntimeError("what nobody may read"),
)


def answer_with(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
    """Have tries to start a batch fail so, one after the other."""
    answers = list(errors)

    async def call(client: Client, parcel: Parcel) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(start, "start_workflow", call)
    monkeypatch.setattr(start, "PAUSE_S", 0)


async def failure() -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await start.start(cast("Client", None), cast("Parcel", None))
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (RPCStatusCode.RESOURCE_EXHAUSTED, Unavailable),
        (RPCStatusCode.NOT_FOUND, Unavailable),
        (RPCStatusCode.PERMISSION_DENIED, TemporalDenied),
        (RPCStatusCode.UNAUTHENTICATED, TemporalDenied),
    ],
)
async def test_a_try_whose_answer_was_lost_may_have_been_taken_in_whatever_the_next_is_told(
    monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode, kind: type[Unavailable]
) -> None:
    refused = RPCError("x", status, b"")
    answer_with(monkeypatch, refused)
    assert (await failure()).effect == "nothing"
    for lost in LOST:
        answer_with(monkeypatch, lost, refused)
        error = await failure()
        assert (type(error), error.effect) == (kind, "unknown")


async def test_a_temporal_that_turns_out_to_refuse_may_have_kept_what_had_no_answer() -> None:
    breaker = Breaker(cast("Client", None), lambda: None)
    breaker.doubt = lambda: None  # type: ignore[method-assign]
    breaker.fault = TemporalDenied("x")

    async def starting() -> None:
        raise TemporalUnreachable("Temporal did not answer in time")

    with pytest.raises(TemporalDenied) as caught:
        await breaker.unless_unreachable(starting)
    assert caught.value.effect == "unknown"


class Workflow:
    """One whose result cannot be had."""

    id = "some-workflow"

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def result(self) -> Any:
        raise self.error


@pytest.mark.parametrize("error", UNREADABLE, ids=lambda error: type(error).__name__)
async def test_entries_that_are_accepted_are_so_although_the_result_cannot_be_read(error: Exception) -> None:
    placed = [PlacedEntries(batch=AcceptedBatch("b", cast("Handle", Workflow(error))), entries=[])]
    with capture_logs() as logged:
        answers = await asyncio.gather(*(wait_until_stored(placed, 60) for _ in range(3)))
    assert answers == [False] * 3
    assert [each["event"] for each in logged] == ["waiting for a batch failed"]
    assert "nobody may read" not in str(logged)


@pytest.mark.parametrize("error", [*UNREADABLE, LOST[0]], ids=lambda error: type(error).__name__)
async def test_a_replay_that_has_begun_has_although_its_result_cannot_be_read(error: Exception) -> None:
    async def begin(*_: Any, **__: Any) -> Workflow:
        return Workflow(error)

    services = SimpleNamespace(
        client=SimpleNamespace(start_workflow=begin),
        settings=SimpleNamespace(api=SimpleNamespace(wait_stored_seconds=60)),
    )
    with capture_logs() as logged:
        assert await dead_letters.run_retry(cast("Services", services)) == RetryResult()
    assert [each["event"] for each in logged] == ["waiting for a retry of dead letters failed"]
    assert "nobody may read" not in str(logged)
