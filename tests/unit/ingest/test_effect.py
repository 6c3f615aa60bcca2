"""The effect of a request that Temporal may have accepted all the same, and of one that it has accepted."""

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
    msgspec.ValidationError("expected an object, got secret content"),
    RuntimeError("secret content"),
)


def answer_with(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
    """Make the attempts to start a batch fail with these errors, one after the other."""
    answers = list(errors)

    async def start_workflow(client: Client, parcel: Parcel) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(start, "start_workflow", start_workflow)
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
async def test_after_a_lost_answer_the_effect_is_unknown_whatever_the_next_attempt_fails_with(
    monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode, kind: type[Unavailable]
) -> None:
    rejected = RPCError("x", status, b"")
    answer_with(monkeypatch, rejected)
    assert (await failure()).effect == "nothing"
    for lost in LOST:
        answer_with(monkeypatch, lost, rejected)
        error = await failure()
        assert (type(error), error.effect) == (kind, "unknown")


async def test_a_denial_that_is_known_later_leaves_the_effect_of_an_unanswered_start_unknown() -> None:
    breaker = Breaker(cast("Client", None), lambda: None)
    breaker.doubt = lambda: None  # type: ignore[method-assign]
    breaker.fault = TemporalDenied("x")

    async def starting() -> None:
        raise TemporalUnreachable("Temporal did not answer in time")

    with pytest.raises(TemporalDenied) as caught:
        await breaker.unless_unreachable(starting)
    assert caught.value.effect == "unknown"


class Workflow:
    """A workflow whose result cannot be read."""

    id = "some-workflow"

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def result(self) -> Any:
        raise self.error


@pytest.mark.parametrize("error", UNREADABLE, ids=lambda error: type(error).__name__)
async def test_accepted_entries_remain_accepted_although_the_result_cannot_be_read(error: Exception) -> None:
    placed = [PlacedEntries(batch=AcceptedBatch("b", cast("Handle", Workflow(error))), entries=[])]
    with capture_logs() as logged:
        answers = await asyncio.gather(*(wait_until_stored(placed, 60) for _ in range(3)))
    assert answers == [False] * 3
    assert [each["event"] for each in logged] == ["waiting for a batch failed"]
    assert "secret content" not in str(logged)


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
    assert "secret content" not in str(logged)
