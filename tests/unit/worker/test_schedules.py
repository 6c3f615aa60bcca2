"""What others may do to Temporal must not stop a worker: anyone with access to the namespace can change a schedule."""

from unittest.mock import AsyncMock, MagicMock

import pytest
from structlog.testing import capture_logs

from trenova.codec.key_usage import watch
from trenova.codec.key_usage.watch import KeyWatch
from trenova.worker import schedules


async def test_a_schedule_that_cannot_be_read_does_not_stop_the_worker() -> None:
    client = MagicMock(create_schedule=AsyncMock(side_effect=ValueError("unsupported action")))
    with capture_logs() as logs:
        await schedules.ensure_schedules(client)
    assert [each["schedule"] for each in logs if each["event"] == "schedule not created"] == [
        *schedules.all_schedules()
    ]


async def test_open_workflows_that_cannot_be_examined_do_not_stop_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "examine_open_workflows", AsyncMock(side_effect=ValueError("not a timestamp")))
    with capture_logs() as logs:
        assert await KeyWatch(MagicMock()).check() == "ok"
    assert [each["event"] for each in logs] == ["open workflows not checked"]
