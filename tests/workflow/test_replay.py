"""Workflows that an earlier release started continue under this one: recorded histories are replayed."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from conftest import replayer
from trenova.codec.converter import data_converter
from trenova.domain.batch import Batch, BatchResult, workflow_id
from trenova.workflows import (
    ProcessAuditBatchWorkflow,
    ReconcileWorkflow,
    RetentionWorkflow,
    RetryDeadLettersWorkflow,
    VerifyLogsWorkflow,
)

HISTORIES = sorted(Path(__file__).with_name("histories").glob("*.json"), key=lambda file: file.stem)


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(workflow_id(file.stem), file.read_text(encoding="utf-8"))


def test_there_is_a_history_of_every_path_of_every_workflow() -> None:
    assert {file.stem for file in HISTORIES} >= {
        *("without-input", "stored", "waiting", "gated", "invalid"),
        *("parked", "retried", "retained", "reconciled"),
        *("verified", "damaged"),
    }


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
async def test_a_recorded_history_can_be_replayed(sandbox: SandboxedWorkflowRunner, file: Path) -> None:
    workflows = [
        ProcessAuditBatchWorkflow,
        ReconcileWorkflow,
        RetentionWorkflow,
        RetryDeadLettersWorkflow,
        VerifyLogsWorkflow,
    ]
    await replayer(workflows, sandbox, data_converter()).replay_workflow(history(file))


# A change of the workflow that ignores open runs.
@workflow.defn(name="ProcessAuditBatchWorkflow", sandboxed=False)
class WaitsFirst:
    @workflow.run
    async def run(self, batch: Batch | None = None) -> BatchResult:
        await workflow.sleep(1)
        return await ProcessAuditBatchWorkflow().run(batch)


@workflow.defn(name="ProcessAuditBatchWorkflow", sandboxed=False)
class StoresByAnotherName:
    @workflow.run
    async def run(self, batch: Batch | None = None) -> BatchResult:
        result: BatchResult = await workflow.execute_activity(
            "StoreBatch", batch, result_type=BatchResult, start_to_close_timeout=timedelta(minutes=2)
        )
        return result


@pytest.mark.parametrize("changed", [WaitsFirst, StoresByAnotherName])
async def test_an_incompatible_change_of_a_workflow_is_detected(
    sandbox: SandboxedWorkflowRunner, changed: type
) -> None:
    (stored,) = [file for file in HISTORIES if file.stem == "stored"]
    with pytest.raises(NondeterminismError):
        await replayer([changed], sandbox, data_converter()).replay_workflow(history(stored))
