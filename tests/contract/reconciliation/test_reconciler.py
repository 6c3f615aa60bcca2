"""What the reconciler compares and records, and that unreadable input does not stop the comparison of the rest."""

import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import DataConverter

import foreign_worker
from contract.reconciliation.conftest import Handle, Site
from examples import bodies, body
from poison_rule import POISON, poison_rule
from trenova.codec.compose import data_converter_for
from trenova.config import TASK_QUEUE, SecuritySettings
from trenova.domain.batch import Batch, workflow_id
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring
from trenova.store import Store
from trenova.store.reconciliation import ClosedRun
from waiting import eventually

KEY = generate_key().text


def encrypting_converter(**keys: str) -> DataConverter:
    security = SecuritySettings(enableEncryption=True, encryptionKeyID=next(iter(keys)))
    return data_converter_for(
        security, load_keyring(security, {f"TEMPORAL_ENCRYPTION_KEY_{id_}": text for id_, text in keys.items()})
    )


async def run_and_terminate(site: Site, payload: Payload, id_: str) -> str:
    """A terminated run with this input."""
    plain = await Client.connect(site.client.service_client.config.target_host, data_converter=DataConverter.default)
    handle = await plain.start_workflow("ProcessAuditBatchWorkflow", RawValue(payload), id=id_, task_queue=TASK_QUEUE)
    await handle.terminate()
    return str(handle.first_execution_run_id)


def as_json(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


async def test_what_cannot_be_read_is_noted_and_stops_none_of_the_others(site: Site, tenant: str) -> None:
    sent = bodies(tenant, 2)
    (locked,) = await encrypting_converter(theirs=KEY).encode([Batch(entries=[msgspec.Raw(sent[1])])])
    deep = b'{"batch_id":"x","entries":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    names = ["locked", "text", "two", "deep", "unknown", "none"]
    payloads = [
        locked,
        as_json(b'"hello"'),
        as_json(b"{"),
        as_json(deep),
        Payload(metadata={"encoding": b"x"}),
        Payload(),
    ]
    ids = {name: workflow_id(str(uuid.uuid4())) for name in names}
    before = (await site.store.reconciliation.findings()).missing
    runs = [await run_and_terminate(site, payload, ids[name]) for name, payload in zip(names, payloads, strict=True)]
    # The same under an id that the API never assigns; and a valid one after them all.
    runs.append(await run_and_terminate(site, locked, "by-hand\0" + "x" * 300))
    good = await site.accept(sent[:1])
    await good.terminate()
    await site.wait_until_listed(*runs, good.first_execution_run_id)

    done = await site.reconcile()
    # What can be read but is not a batch is parked, as a worker does.
    assert (done.stored, done.parked, done.missing, done.foreign) == (1, 3, 3, 1)
    assert await site.stored_bodies(tenant) == sent[:1]
    found = {run.workflow_id: run.reason for run in await site.store.reconciliation.missing(1000)}
    assert found[ids["locked"]] == "encryption key not found for ID: theirs"
    assert found[ids["unknown"]] == found[ids["none"]] == "the input of the workflow is not a batch"
    assert (await site.store.reconciliation.findings()).missing == before + 3

    # With the key it is stored; what was deleted in Temporal is given up.
    both = data_converter_for(
        SecuritySettings(), load_keyring(SecuritySettings(), {"TEMPORAL_ENCRYPTION_KEY_theirs": KEY})
    )
    for name in ("unknown", "none"):
        await foreign_worker.delete(site.client, ids[name], runs[names.index(name)])
    await eventually(lambda: site.reconcile(data_converter=both, compare_all=False), lambda result: not result.missing)
    assert await site.stored_bodies(tenant) == sent
    findings = await site.store.reconciliation.findings()
    assert findings.missing == before
    assert findings.lost >= 2
    assert findings.recovered_entries >= 2


async def test_a_run_that_stored_another_batch_under_the_same_id_does_not_count_for_the_first(
    site: Site, tenant: str
) -> None:
    sent, forged = bodies(tenant, 3), body(tenant, id=str(uuid.uuid4()))
    first = await site.accept(sent)
    await first.terminate()
    batch_id = first.id.removeprefix("audit-batch-")
    second = await site.accept([forged], batch_id)
    async with site.worker():
        assert (await second.result()).stored == 1
    await site.wait_until_listed(first.first_execution_run_id, second.first_execution_run_id)
    assert (await site.reconcile()).stored == 3
    assert await site.stored_bodies(tenant) == [forged, *sent]
    (part,) = await site.store.batches.find(batch_id)
    assert part.stored == 4


async def test_a_batch_cannot_be_stored_under_the_id_of_another_workflow(site: Site, tenant: str) -> None:
    """The id is in the payload, which the starter of a workflow writes."""
    sent, forged = bodies(tenant, 2), body(tenant, id=str(uuid.uuid4()))
    first = await site.accept(sent)
    batch_id = first.id.removeprefix("audit-batch-")
    await first.terminate()
    other = await site.client.start_workflow(
        "ProcessAuditBatchWorkflow",
        Batch(batch_id=batch_id, entries=[msgspec.Raw(forged)]),
        id="somebody-elses",
        task_queue=TASK_QUEUE,
    )
    async with site.worker():
        await other.result()
    assert await site.store.batches.find(batch_id) == []
    assert [part.stored for part in await site.store.batches.find("somebody-elses")] == [1]
    await site.wait_until_listed(first.first_execution_run_id, other.first_execution_run_id)
    assert (await site.reconcile()).stored == 2
    assert await site.stored_bodies(tenant) == [forged, *sent]


async def test_what_the_database_rejects_is_parked_once(site: Site, tenant: str) -> None:
    sent = [body(tenant, id=str(uuid.uuid4()), action=POISON), *bodies(tenant, 1)]
    async with poison_rule(site.owner_url):
        handle = await site.accept(sent)
        await handle.terminate()
        only = await site.accept(sent[:1])
        await only.terminate()
        await site.wait_until_listed(handle.first_execution_run_id, only.first_execution_run_id)
        done = await site.reconcile()
        assert (done.batches, done.stored, done.parked) == (2, 1, 2)
        again = await site.reconcile()
        assert (again.batches, again.stored, again.parked) == (0, 0, 0)
        letters = await site.store.dead_letters.page(tenant=tenant, limit=10)
        assert [letter.body for letter in letters] == [sent[0]] * 2
    # An operator has replaced it by another entry: the rejected one does not come back.
    edited = body(tenant, id=str(uuid.uuid4()))
    async with Store.open(site.owner_url) as operator:
        key = await operator.api_keys.create(tenant=tenant, role="admin", name="ada", by="ada")
        for letter in letters:
            await operator.dead_letters.edit(
                letter.id, tenant=tenant, entry_id=uuid.uuid4(), body=edited, edited_by=key.id
            )
    assert (await site.reconcile()).batches == 0
    assert await site.stored_bodies(tenant) == sent[1:]


async def test_letters_of_another_run_under_the_same_id_do_not_count_for_the_first(site: Site, tenant: str) -> None:
    sent = [body(tenant, id=str(uuid.uuid4()), action=POISON)]
    first = await site.accept(sent)
    await first.terminate()
    second = await site.accept([b"{}"], first.id.removeprefix("audit-batch-"))
    async with poison_rule(site.owner_url):
        async with site.worker():
            assert (await second.result()).parked == 1
        await site.wait_until_listed(first.first_execution_run_id, second.first_execution_run_id)
        assert (await site.reconcile()).parked == 1
        assert [letter.body for letter in await site.store.dead_letters.page(tenant=tenant, limit=10)] == sent


async def test_after_a_crash_behind_the_append_the_next_run_still_reports_the_finding(site: Site, tenant: str) -> None:
    sent = bodies(tenant, 2)
    handle = await site.accept(sent)
    await handle.terminate()
    await site.wait_until_listed(handle.first_execution_run_id)
    run = closed_run(handle)
    await site.store.reconciliation.note_missing(run, None)
    await site.store.entries.append(handle.id.removeprefix("audit-batch-"), sent, run_id=run.run_id)
    before = await site.store.reconciliation.findings()
    done = await site.reconcile(compare_all=False)
    assert (done.batches, done.stored) == (1, 2)
    findings = await site.store.reconciliation.findings()
    assert findings.recovered_batches == before.recovered_batches + 1
    assert findings.recovered_entries == before.recovered_entries + 2
    assert findings.missing == before.missing - 1
    assert await site.stored_bodies(tenant) == sent


def closed_run(handle: Handle) -> ClosedRun:
    return ClosedRun(
        run_id=str(handle.first_execution_run_id),
        workflow_id=handle.id,
        ended_as="terminated",
        closed_at=datetime.now(UTC),
    )


async def test_a_comparison_continues_where_the_last_one_ended_and_all_runs_are_compared_once_a_day(
    site: Site, tenant: str
) -> None:
    async with site.worker():
        handles = [await site.accept(bodies(tenant, 1)) for _ in range(3)]
        for handle in handles:
            await handle.result()
    await site.wait_until_listed(*(handle.first_execution_run_id for handle in handles))
    every = (await site.reconcile()).runs
    assert every >= 3
    late = await site.accept(bodies(tenant, 1))
    await late.terminate()
    await site.wait_until_listed(late.first_execution_run_id)
    assert (await site.reconcile(compare_all=False, overlap=timedelta(0))).runs < every
    async with await psycopg.AsyncConnection.connect(site.owner_url, autocommit=True) as owner:
        await owner.execute("UPDATE reconciliations SET all_at = all_at - interval '25 hours'")
    assert (await site.reconcile(compare_all=False, overlap=timedelta(0))).runs > every
    until = await site.store.reconciliation.until()
    assert until.since_all is not None
    assert until.since_all < timedelta(hours=1)


async def test_batches_of_a_release_that_noted_no_run_do_not_count_as_missing(site: Site, tenant: str) -> None:
    handle = await site.accept(bodies(tenant, 1))
    sent = bodies(tenant, 1)
    await site.store.entries.append(handle.id.removeprefix("audit-batch-"), sent)
    await foreign_worker.answer_task(site.client, foreign_worker.COMPLETE)
    await site.wait_until_listed(handle.first_execution_run_id)
    assert (await site.reconcile()).batches == 0
    assert await site.stored_bodies(tenant) == sent


async def test_without_closed_runs_there_is_nothing_to_do(site: Site) -> None:
    handle = await site.client.start_workflow(
        "ProcessAuditBatchWorkflow", id=f"check-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    await handle.terminate()
    await site.wait_until_listed(handle.first_execution_run_id)
    done = await site.reconcile()
    assert (done.batches, done.missing) == (0, 0)
