"""Which keys closed workflows, schedules and spooled batches need, and what of them is not seen."""

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uuid_utils
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec
from temporalio.common import Priority
from temporalio.worker import Worker

from trenova.cli import keys_check
from trenova.cli.keys_check import KeyNeeds
from trenova.codec.compose import data_converter_for
from trenova.codec.key_usage import closed_workflows, schedules
from trenova.codec.key_usage.open_workflows import OpenWorkflows, examine_open_workflows
from trenova.codec.key_usage.report import KeyUse, PlaceReport
from trenova.config import TASK_QUEUE, SecuritySettings
from trenova.dev.temporal import Temporal
from trenova.ingest import spool_keys
from trenova.ingest.spool import BLOCK_BYTES, Spool
from trenova.ingest.start import Parcel
from trenova.keys.encryption import KeyReport, generate_key
from trenova.keys.loading import load_keyring
from waiting import eventually

KEYS = {name: generate_key().text for name in ("old", "new")}
NO_OTHERS: Mapping[str, str] = {}
OURS = "trenova-verify"


@workflow.defn(name="Echo", sandboxed=False)
class Echo:
    @workflow.run
    async def run(self, text: str = "") -> str:
        return text


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Temporal]:
    """One of its own: all that is in it matters here."""
    async with Temporal(folder / f"needs-{uuid.uuid4().hex[:8]}").running() as temporal:
        yield temporal


async def connect_with_keys(
    server: Temporal, encrypting: str, *, strict: bool = False, only: bool = False, as_if: Mapping[str, str] = NO_OTHERS
) -> Client:
    """With all the keys, or the one that encrypts only; `as_if`: under these names it has the keys of those."""
    security = SecuritySettings(enableEncryption=True, encryptionKeyID=encrypting, requireEncryption=strict)
    names = [encrypting] if only else KEYS
    held = {f"TEMPORAL_ENCRYPTION_KEY_{name}": KEYS[as_if.get(name, name)] for name in names}
    converter = data_converter_for(security, load_keyring(security, held))
    return await Client.connect(server.address, data_converter=converter)


async def run(client: Client) -> None:
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Echo]):
        await client.execute_workflow(Echo.run, "x", id=str(uuid.uuid4()), task_queue=TASK_QUEUE)


async def wait_until_listed(client: Client, count: int) -> PlaceReport:
    """What is closed, once Temporal lists so many."""
    return await eventually(
        lambda: closed_workflows.examine_closed_workflows(client), lambda place: place.looked_at == count
    )


async def test_a_closed_workflow_needs_its_key_until_its_retention_is_over(server: Temporal) -> None:
    old, new = await connect_with_keys(server, "old"), await connect_with_keys(server, "new")
    began = datetime.now(UTC) - timedelta(minutes=1)
    for client in (old, new, new):
        await run(client)
    place = await wait_until_listed(new, 3)
    assert {key_id: use.count for key_id, use in place.uses.items()} == {"old": 1, "new": 2}
    assert place.unseen is None
    kept = await closed_workflows.read_retention(new)
    for use in place.uses.values():
        assert use.until is not None
        assert began + kept < use.until < datetime.now(UTC) + kept + timedelta(minutes=1)

    place = await closed_workflows.examine_closed_workflows(new, most=1)
    assert ({*place.uses}, place.looked_at) == ({"new"}, 1)
    assert place.unseen is not None
    assert place.unseen.startswith("only the 1 latest were looked at, back to ")


async def test_a_schedule_needs_the_key_of_what_it_starts_a_workflow_with_and_of_what_it_hands_on(
    server: Temporal,
) -> None:
    old, new = await connect_with_keys(server, "old"), await connect_with_keys(server, "new")
    assert await schedules.examine_schedules(new) == [
        PlaceReport(name=schedules.NAME),
        PlaceReport(name=schedules.RESULTS),
    ]
    for client, name, workflow_id, queue in (
        (old, "theirs", "theirs", "their-queue"),
        (old, "of-an-operator", "of-an-operator", TASK_QUEUE),
        (new, "trenova-reconcile", "trenova-reconcile", TASK_QUEUE),
        (new, OURS, OURS, TASK_QUEUE),
    ):
        started = ScheduleActionStartWorkflow(
            "Echo", *([] if client is new else ["x"]), id=workflow_id, task_queue=queue
        )
        await client.create_schedule(name, Schedule(action=started, spec=ScheduleSpec()))
    place, results = await schedules.examine_schedules(new)
    assert (place.looked_at, place.uses, place.unseen) == (3, {"old": KeyUse(count=1)}, None)
    assert (results.uses, results.unseen) == ({}, None)

    # A result of the verification is read; one of another schedule of ours is not.
    async with Worker(new, task_queue=TASK_QUEUE, workflows=[Echo]):
        for name in ("trenova-reconcile", OURS):
            await new.get_schedule_handle(name).trigger()
        await eventually(lambda: schedules.examine_schedules(new), lambda places: places[1].uses.keys() == {"new"})
        await wait_until_listed(new, 2)
    place, results = await schedules.examine_schedules(new)
    assert (place.uses, place.unseen) == ({"old": KeyUse(count=1)}, None)
    assert (results.uses, results.unseen) == ({"new": KeyUse(count=1)}, None)


async def test_a_handed_on_result_needs_its_key_and_is_not_seen_once_its_run_is_removed(server: Temporal) -> None:
    old, new = await connect_with_keys(server, "old"), await connect_with_keys(server, "new", only=True)
    started = ScheduleActionStartWorkflow("Echo", id="theirs", task_queue=TASK_QUEUE)
    handle = await old.create_schedule("theirs", Schedule(action=started, spec=ScheduleSpec()))
    await handle.trigger()
    await eventually(handle.describe, lambda described: described.info.running_actions)
    # It may have left nothing yet.
    assert (await schedules.examine_schedules(new))[0].unseen is None
    async with Worker(old, task_queue=TASK_QUEUE, workflows=[Echo]):
        await wait_until_listed(old, 1)
    place, _ = await schedules.examine_schedules(new)
    assert (place.uses, place.unseen) == ({"old": KeyUse(count=1)}, None)
    assert place.unreadable == {"old": "encryption key not found for ID: old"}

    # What Temporal does when the retention is over; the schedule goes on holding the result.
    async for execution in new.list_workflows("CloseTime IS NOT NULL"):
        which = WorkflowExecution(workflow_id=execution.id, run_id=execution.run_id)
        await new.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(namespace=new.namespace, workflow_execution=which)
        )
    await wait_until_listed(new, 0)
    place, _ = await schedules.examine_schedules(new)
    assert place.unseen == "what 1 of them hand on to their next run could not be read"


@pytest.mark.parametrize(
    ("name", "handed", "reason"),
    [
        ("new", {}, "encryption key not found for ID: old"),
        ("old", {"old": "new"}, "decryption failed with the key ID: old"),
    ],
)
async def test_a_schedule_with_an_unreadable_input_is_reported(
    server: Temporal, name: str, handed: dict[str, str], reason: str
) -> None:
    """A key that is missing, and one that is another under the same id. Nothing waits for the verification's result."""
    old, here = await connect_with_keys(server, "old"), await connect_with_keys(server, name, only=True, as_if=handed)
    for schedule in ("theirs", "trenova-retention"):
        started = ScheduleActionStartWorkflow("Echo", "x", id=schedule, task_queue=TASK_QUEUE)
        await old.create_schedule(schedule, Schedule(action=started, spec=ScheduleSpec()))
    started = ScheduleActionStartWorkflow("Echo", id=OURS, task_queue=TASK_QUEUE)
    handle = await old.create_schedule(OURS, Schedule(action=started, spec=ScheduleSpec()))
    async with Worker(old, task_queue=TASK_QUEUE, workflows=[Echo]):
        await handle.trigger()
        await wait_until_listed(old, 1)
    place, results = await schedules.examine_schedules(here)
    assert (place.uses, place.unreadable) == ({"old": KeyUse(count=2)}, {"old": reason})
    assert ({*results.uses}, results.unreadable) == ({"old"}, {})
    assert KeyNeeds(work=OpenWorkflows(key_ids={}), places=[place], out_of_reach="").exit_code() == 1
    assert KeyNeeds(work=OpenWorkflows(key_ids={}), places=[results], out_of_reach="").exit_code() == 0


async def test_a_run_of_a_schedule_is_not_reported_for_payloads_that_it_does_not_read(server: Temporal) -> None:
    """Neither for the result of the run before, nor for its search attributes, which are never encrypted."""
    old, strict = await connect_with_keys(server, "old"), await connect_with_keys(server, "new", strict=True)
    started = ScheduleActionStartWorkflow("Echo", id=OURS, task_queue=TASK_QUEUE)
    handle = await old.create_schedule(OURS, Schedule(action=started, spec=ScheduleSpec()))
    async with Worker(old, task_queue=TASK_QUEUE, workflows=[Echo]):
        await handle.trigger()
        await wait_until_listed(old, 1)
    # Nobody works on this one.
    await handle.trigger()
    work = await eventually(lambda: examine_open_workflows(strict), lambda work: work.looked_at)
    assert work == OpenWorkflows(key_ids={}, looked_at=1)


async def test_a_spool_needs_the_keys_of_its_batches_and_one_batch_of_each_key_is_decrypted(
    server: Temporal, tmp_path: Path
) -> None:
    old, new = await connect_with_keys(server, "old"), await connect_with_keys(server, "new")
    with Spool.open(tmp_path, 64 * BLOCK_BYTES) as held:
        for client in (old, old, new):
            (payload,) = await client.data_converter.encode(["x"])
            parcel = Parcel(batch_id=str(uuid_utils.uuid7()), entries=1, payload=payload, fairness=Priority())
            await held.put(parcel)
        wanted = {"old": KeyUse(count=2), "new": KeyUse(count=1)}
        seen = PlaceReport(name=spool_keys.NAME, uses=wanted, looked_at=3)
        assert await spool_keys.inspect_spool(tmp_path, new) == seen
        missing = await spool_keys.inspect_spool(tmp_path, await connect_with_keys(server, "new", only=True))
        assert missing == replace(seen, unreadable={"old": "encryption key not found for ID: old"})
        wrong = await spool_keys.inspect_spool(tmp_path, await connect_with_keys(server, "old", as_if={"old": "new"}))
        assert wrong == replace(seen, unreadable={"old": "decryption failed with the key ID: old"})
    (tmp_path / f"{uuid_utils.uuid7()}.damaged").write_bytes(b"half of it")
    assert (await spool_keys.inspect_spool(tmp_path, new)).unseen == f"1 files in {tmp_path} cannot be read"
    none = tmp_path / "none"
    assert (await spool_keys.inspect_spool(none, new)).unseen == f"{none} cannot be read: No such file or directory"


def report_of(name: str, *, encrypts: bool) -> KeyReport:
    return KeyReport(id=name, encrypts=encrypts, form="base64", source="here", fingerprint="0" * 16)


@pytest.mark.parametrize(
    ("places", "needed", "code"),
    [
        ([PlaceReport(name="a", uses={"old": KeyUse(count=1)}), PlaceReport(name="b", unseen="away")], "yes", 3),
        ([PlaceReport(name="a"), PlaceReport(name="b", unseen="away")], "unknown", 3),
        ([PlaceReport(name="a"), PlaceReport(name="b")], "no use seen", 0),
        (
            [PlaceReport(name=spool_keys.NAME, uses={"gone": KeyUse(count=1)}, unreadable={"gone": "not found"})],
            "no use seen",
            1,
        ),
        ([PlaceReport(name=closed_workflows.NAME, uses={"gone": KeyUse(count=1)})], "no use seen", 0),
    ],
)
def test_a_key_whose_uses_were_not_all_checked_is_never_reported_as_free(
    places: list[PlaceReport], needed: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = KeyNeeds(work=OpenWorkflows(key_ids={}), places=places, out_of_reach="other spools")
    keys = (report_of("new", encrypts=True), report_of("old", encrypts=False))
    # Never False, which a program would take for permission.
    (is_needed,) = (key["needed"] for key in keys_check.as_data(keys, needs)["keys"] if key["id"] == "old")
    assert is_needed is (True if needed == "yes" else None)
    assert needs.exit_code() == code
    keys_check.print_report(keys, needs)
    output = capsys.readouterr().out
    assert keys_check.need_word(needs, keys[1]) == needed
    no_permission = "nothing that was checked needs old. It may still be needed elsewhere"
    assert (no_permission in output) == (needed == "no use seen")
    assert ("whether old is needed is unknown" in output) == (needed == "unknown")
    stuck = "key gone: not found; batches in the spool with this key are stuck until the right key is configured"
    assert (stuck in output) == (code == 1)
    assert "out of reach from here: other spools" in output
    assert ("not checked: b: away" in output) == any(place.unseen for place in places)
