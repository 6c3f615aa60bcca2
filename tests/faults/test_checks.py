"""Each kind of damage to a small set of stored entries is reported by its check."""

import asyncio
import uuid
from pathlib import Path

import pytest
from chaos.entries import Place, id_of

from conftest import GENEROUS_S
from examples import SIGNER
from faults.conftest import BULK, RUN, SINGLE, SmallRun, own_temporal
from trenova.ledger import hashing

LETTER = (
    "INSERT INTO dead_letters (id, batch_id, ordinal, body, code, reason, next_try_at)"
    " VALUES (gen_random_uuid(), 'b', 0, '{}', '23514', 'a rule', now())"
)
# At the next index, with the head moved along: a copy that only its id or its content reveals.
COPY = (
    "INSERT INTO entries SELECT tenant, {id}, 750, occurred_at, received_at, actor_type, actor_id, action,"
    " target_type, target_id, outcome, body, salt, commitment FROM entries WHERE tenant = 'tenant-0' AND index = 5"
)


async def test_an_undamaged_set_has_no_findings(small_run: SmallRun) -> None:
    checked = await small_run.check()
    assert checked.findings.counts == {}, checked.findings.examples
    assert (checked.sent, checked.acknowledged, checked.stored, checked.verified) == (757, 756, 756, 756)
    assert (checked.checkpoints, checked.receipts) == (4, 3)  # three that were kept, and the current one


async def test_entries_stored_without_an_acknowledgement_are_not_a_finding(small_run: SmallRun) -> None:
    await small_run.append(SINGLE, 3)
    checked = await small_run.check()
    assert (checked.findings.counts, checked.acknowledged, checked.stored) == ({}, 756, 757)


async def test_a_missing_acknowledged_entry_is_lost(small_run: SmallRun) -> None:
    small_run.note("sent", BULK, 3)
    small_run.note("acknowledged", BULK, 3)
    checked = await small_run.check()
    assert checked.findings.counts == {"lost": 250}
    assert checked.findings.examples[0] == "lost: acknowledged and not stored: Place(author=0, request=3, position=0)"


async def test_a_deleted_row_is_a_lost_entry_a_gap_and_a_damaged_ledger(small_run: SmallRun) -> None:
    await small_run.tamper("DELETE FROM entries WHERE tenant = 'tenant-0' AND index = 300")
    found = await small_run.count_findings()
    assert (found["lost"], found["gap"], found["damaged"]) == (1, 1, 1)


async def test_an_entry_that_is_stored_twice_is_doubled(small_run: SmallRun) -> None:
    await small_run.tamper("ALTER TABLE entries DROP CONSTRAINT entries_pkey")
    await small_run.tamper(COPY.format(id="id"))
    await small_run.tamper("UPDATE batches SET stored = stored + 1 WHERE tenant = 'tenant-0' AND first_index = 500")
    checked = await small_run.check()
    assert checked.findings.counts["doubled"] == 2  # over HTTP, and in the table
    assert "doubled: stored 2 times: Place(author=0, request=0, position=5)" in checked.findings.examples


async def test_an_entry_that_was_never_sent_is_reported(small_run: SmallRun) -> None:
    await small_run.append(BULK, 9)
    assert await small_run.count_findings() == {"never sent": 250}


@pytest.mark.parametrize(
    "change",
    [
        "replace(convert_from(body, 'UTF8'), 'hall', 'Hall')",
        "replace(convert_from(body, 'UTF8'), 'as agreed', 'as agreed ')",
    ],
)
async def test_a_body_that_differs_from_what_was_sent_is_changed(small_run: SmallRun, change: str) -> None:
    await small_run.tamper(
        f"UPDATE entries SET body = convert_to({change}, 'UTF8') WHERE tenant = 'tenant-4' AND index = 1"
    )
    found = await small_run.count_findings()
    assert (found["changed"], found["damaged"]) == (1, 1)


async def test_a_skipped_index_is_a_gap(small_run: SmallRun) -> None:
    await small_run.tamper("UPDATE entries SET index = 9 WHERE tenant = 'tenant-4' AND index = 2")
    found = await small_run.count_findings()
    assert found["gap"] >= 1
    assert found["damaged"] >= 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE tenant = 'tenant-0'",
        "UPDATE heads SET frontier = set_byte(frontier, 0, get_byte(frontier, 0) # 1) WHERE tenant = 'tenant-4'",
        "DELETE FROM checkpoints WHERE tenant = 'tenant-4' AND size = 3",
    ],
)
async def test_a_wrong_tree_is_damage(small_run: SmallRun, statement: str) -> None:
    await small_run.tamper(statement)
    assert (await small_run.count_findings())["damaged"] >= 1


async def test_a_checkpoint_of_another_history_is_reported_by_its_proof_and_by_the_trees(small_run: SmallRun) -> None:
    small_run.kept["tenant-0"].append(SIGNER.sign("tenant-0", size=600, root=hashing.EMPTY_ROOT))
    found = await small_run.count_findings()
    assert found.keys() == {"checkpoint", "damaged"}


async def test_a_checkpoint_without_a_valid_signature_is_reported(small_run: SmallRun) -> None:
    small_run.kept["tenant-0"].append(small_run.kept["tenant-0"][0].replace(b"\n250\n", b"\n251\n"))
    assert await small_run.count_findings() == {"checkpoint": 1}


async def test_an_invalid_receipt_is_reported(small_run: SmallRun) -> None:
    small_run.edit_receipts(lambda lines: lines.replace(b'"index":0', b'"index":1'))
    assert await small_run.count_findings() == {"receipt": 1}


async def test_a_receipt_of_a_missing_entry_is_reported(small_run: SmallRun) -> None:
    id_ = str(id_of(RUN, Place(BULK, 0, 0))).encode()
    small_run.edit_receipts(lambda lines: lines.replace(id_, str(uuid.uuid4()).encode()))
    assert await small_run.count_findings() == {"receipt": 1}


async def test_a_request_that_was_not_accepted_is_reported(small_run: SmallRun) -> None:
    small_run.note("refused", SINGLE, 3)
    assert await small_run.count_findings() == {"refused": 1}


async def test_a_parked_entry_is_reported(small_run: SmallRun) -> None:
    await small_run.tamper(LETTER)
    assert await small_run.count_findings() == {"dead letter": 1}


async def test_a_workflow_that_did_not_complete_is_reported(small_run: SmallRun, folder: Path) -> None:
    async with own_temporal(folder / "spoiled") as client:
        small_run.client = client
        handle = await client.start_workflow(
            "ProcessAuditBatchWorkflow", id=f"audit-batch-{uuid.uuid4()}", task_queue="nobody"
        )
        await handle.terminate()
        async with asyncio.timeout(GENEROUS_S):
            while (found := await small_run.count_findings()) == {}:  # noqa: ASYNC110 - Temporal lists closed workflows with a delay
                await asyncio.sleep(0.2)
    assert found == {"workflow": 1}
