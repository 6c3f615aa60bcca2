"""Record the histories in `histories/`: real workflows on a real Temporal server and a real PostgreSQL.

    .venv/bin/python tests/workflow/record_history.py

Recorded histories stand for workflows that are open while a new release is installed. So never replace one because its
replay fails; add new ones. Existing files are not changed.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

import msgspec
from pydantic import SecretStr
from temporalio.client import Client, WorkflowFailureError

from trenova.codec.converter import data_converter
from trenova.config import TASK_QUEUE, Settings
from trenova.dev import schema
from trenova.dev.postgres import DATABASE, Postgres
from trenova.dev.temporal import Temporal
from trenova.domain.batch import Batch, workflow_id
from trenova.runtime.connection import connect
from trenova.store import Store
from trenova.worker import process
from trenova.workflows import (
    ProcessAuditBatchWorkflow,
    ReconcileWorkflow,
    RetentionWorkflow,
    RetryDeadLettersWorkflow,
    VerifyLogsWorkflow,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from examples import SIGNER, body
from poison_rule import POISON, poison_rule

HISTORIES = Path(__file__).with_name("histories")
IDS = (f"0199a0c0-0000-7000-8000-{number:012}" for number in range(100))


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="trenova-record-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet
        async with Postgres(folder).running() as postgres, Temporal(folder).running() as temporal:
            settings = Settings.model_validate(
                {
                    "temporal": {"hostPort": temporal.address, "namespace": temporal.namespace},
                    "database": {"url": SecretStr(postgres.worker_url)},
                }
            )
            client = await connect(settings.temporal, data_converter())
            async with (
                Store.open(postgres.worker_url, signer=SIGNER) as store,
                process.create_worker(client, store, settings),
            ):
                await record_waiting(client, postgres)
                await record_gated(client, postgres)
                await record_plain_batches(client)
                await record_parked(client, postgres)
                await record_retention(client)
                await record_reconciliation(client)
                await record_verifications(client, postgres)


async def record_waiting(client: Client, postgres: Postgres) -> None:
    """A batch whose first attempts find a database without tables."""
    batch = Batch(batch_id="waiting", entries=[msgspec.Raw(body("acme", id=next(IDS)))])
    running = asyncio.create_task(run(client, batch))
    await asyncio.sleep(2)
    await schema.prepare(postgres)
    await running
    await save(client, "waiting")


async def record_gated(client: Client, postgres: Postgres) -> None:
    """A batch that waits in its first durable attempt for a database that accepts no connection."""
    batch = Batch(batch_id="gated", entries=[msgspec.Raw(body("acme", id=next(IDS)))])
    async with await postgres.connect(DATABASE) as operator:
        await operator.execute("ALTER ROLE trenova_dev_worker CONNECTION LIMIT 0")
        await operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ~ '^trenova_dev_'")
        running = asyncio.create_task(run(client, batch))
        await asyncio.sleep(2)
        await operator.execute("ALTER ROLE trenova_dev_worker CONNECTION LIMIT -1")
    await running
    await save(client, "gated")


async def record_parked(client: Client, postgres: Postgres) -> None:
    """A batch with an entry that the database rejects, and the retry that stores it."""
    entries = [msgspec.Raw(body("acme", id=next(IDS), action=action)) for action in ("shipment.update", POISON)]
    async with poison_rule(postgres.owner_url):
        await run(client, Batch(batch_id="parked", entries=entries))
        await save(client, "parked")
    async with await postgres.connect(DATABASE) as operator:
        await operator.execute("UPDATE dead_letters SET next_try_at = now()")
    await client.execute_workflow(RetryDeadLettersWorkflow.run, id=workflow_id("retried"), task_queue=TASK_QUEUE)
    await save(client, "retried")


async def record_retention(client: Client) -> None:
    """A night in which nothing is past its retention."""
    await client.execute_workflow(RetentionWorkflow.run, id=workflow_id("retained"), task_queue=TASK_QUEUE)
    await save(client, "retained")


async def record_reconciliation(client: Client) -> None:
    """A comparison that finds every batch stored."""
    await client.execute_workflow(ReconcileWorkflow.run, id=workflow_id("reconciled"), task_queue=TASK_QUEUE)
    await save(client, "reconciled")


async def record_verifications(client: Client, postgres: Postgres) -> None:
    """The nightly verification of sound ledgers, and of a damaged one."""
    await client.execute_workflow(VerifyLogsWorkflow.run, id=workflow_id("verified"), task_queue=TASK_QUEUE)
    await save(client, "verified")
    async with await postgres.connect(DATABASE) as intruder:
        await intruder.execute("SET session_replication_role = replica")
        await intruder.execute("UPDATE entries SET actor_id = 'x' WHERE tenant = 'acme' AND index = 0")
    try:
        await client.execute_workflow(VerifyLogsWorkflow.run, id=workflow_id("damaged"), task_queue=TASK_QUEUE)
    except WorkflowFailureError:
        await save(client, "damaged")


async def record_plain_batches(client: Client) -> None:
    await client.execute_workflow("ProcessAuditBatchWorkflow", id=workflow_id("without-input"), task_queue=TASK_QUEUE)
    await save(client, "without-input")
    entries = [msgspec.Raw(body(tenant, id=next(IDS))) for tenant in ("acme", "globex", "acme")]
    await run(client, Batch(batch_id="stored", entries=entries))
    await save(client, "stored")
    try:
        await run(client, Batch(batch_id="invalid", entries=[msgspec.Raw(b"{}")]))
    except WorkflowFailureError:
        await save(client, "invalid")


async def run(client: Client, batch: Batch) -> None:
    await client.execute_workflow(
        ProcessAuditBatchWorkflow.run, batch, id=workflow_id(batch.batch_id), task_queue=TASK_QUEUE
    )


async def save(client: Client, name: str) -> None:
    file = HISTORIES / f"{name}.json"
    if file.exists():
        sys.stdout.write(f"{file} exists already\n")
        return
    history = await client.get_workflow_handle(workflow_id(name)).fetch_history()
    # Stack traces contain paths of the recording machine; a replay does not use them.
    text = re.sub(r'(File \\")[^"]*?(?:site-packages|src)/', r"\1", history.to_json())
    file.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{file} recorded, {len(history.events)} events\n")


if __name__ == "__main__":
    asyncio.run(main())
