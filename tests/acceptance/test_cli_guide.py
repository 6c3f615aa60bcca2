"""Documented `temporal` commands against what `trenova dev` runs, with the `temporal` beside the interpreter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acceptance.conftest import BESIDE_PYTHON, CommandResult, Dev, User, run
from waiting import until

Temporal = Callable[..., CommandResult]


@pytest.fixture
def temporal(dev: Dev, tmp_path: Path) -> Temporal:
    def run_temporal(*words: str) -> CommandResult:
        state = dev.state
        where = {
            "TEMPORAL_ADDRESS": state["temporal_address"],
            "TEMPORAL_NAMESPACE": state["temporal_namespace"],
            "HOME": str(tmp_path),  # without the profile of the user who runs the tests
        }
        ended = run([str(BESIDE_PYTHON / "temporal"), *words], tmp_path, **where)
        assert ended.exit_code == 0, ended
        return ended

    return run_temporal


def as_json(temporal: Temporal, *words: str) -> Any:
    return json.loads(temporal(*words, "--output", "json").out)


def test_the_server_is_healthy(temporal: Temporal) -> None:
    assert temporal("operator", "cluster", "health").out.strip() == "SERVING"


def test_the_batch_of_stored_entries_is_listed_and_shown_as_completed(temporal: Temporal, trenova: User) -> None:
    trenova.add({})
    # Temporal lists a workflow a moment after its start.
    until(lambda: "ProcessAuditBatchWorkflow" in temporal("workflow", "list").out)
    newest = as_json(temporal, "workflow", "list", "--query", "WorkflowId STARTS_WITH 'audit-batch-'", "--limit", "1")
    (listed,) = newest
    workflow_id = listed["execution"]["workflowId"]
    assert listed["taskQueue"] == "audit-queue"
    shown = temporal("workflow", "show", "--workflow-id", workflow_id)
    assert "WorkflowExecutionCompleted" in shown.out


def test_the_task_queue_shows_its_pollers(temporal: Temporal, dev: Dev) -> None:
    shown = temporal("task-queue", "describe", "--task-queue", "audit-queue")
    _, _, pollers = shown.out.partition("Pollers:")
    worker = f"{dev.state['pids']['worker']}@"
    for kind in ("workflow", "activity"):
        assert any(kind in line and worker in line for line in pollers.splitlines()), shown.out


def test_the_partitions_of_the_task_queue_are_listed(temporal: Temporal) -> None:
    shown = temporal("task-queue", "list-partition", "--task-queue", "audit-queue")
    assert "Workflow Task Queue Partitions" in shown.out
    assert "audit-queue" in shown.out


def test_the_workflow_without_input_completes_with_zero_counts(temporal: Temporal) -> None:
    words = ("workflow", "execute", "--task-queue", "audit-queue", "--type", "ProcessAuditBatchWorkflow")
    assert "COMPLETED" in temporal(*words).out
    ended = as_json(temporal, *words)
    assert ended["status"] == "COMPLETED"
    result = ended["result"]
    assert (result["stored"], result["duplicate"], result["parked"]) == (0, 0, 0)
