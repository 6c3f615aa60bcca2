"""Which keys closed workflows, schedules and spooled batches need, and what of them is not seen."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uuid_utils
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec
from temporalio.common import Priority
from temporalio.worker import Worker

from conftest import GENEROUS_S
from trenova.cli import keys_check
from trenova.cli.key_needs import closed, schedules, spool
from trenova.cli.key_needs.need import Held, Place
from trenova.cli.keys_check import Needs
from trenova.codec.compose import data_converter_for
from trenova.codec.keytool import KeyReport, generate
from trenova.codec.loading import load_keyring
from trenova.codec.secrecy import Secrecy
from trenova.config import TASK_QUEUE
from trenova.dev.temporal import Temporal
from trenova.inflight import OpenWork, open_work
from trenova.ingest.spool import BLOCK_BYTES, Spool
from trenova.ingest.start import Parcel

KEYS = {f"TEMPORAL_ENCRYPTION_KEY_{name}": generate().text for name in ("old", "new")}
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


async def holding(server: Temporal, encrypting: str, *, strict: bool = False) -> Client:
    secrecy = Secrecy(enable_encryption=True, encryption_key_id=encrypting, require_encryption=strict)
    converter = data_converter_for(secrecy, load_keyring(secrecy, KEYS))
    return await Client.connect(server.address, data_converter=converter)


async def run(client: Client) -> None:
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Echo]):
        await client.execute_workflow(Echo.run, "x", id=str(uuid.uuid4()), task_queue=TASK_QUEUE)


async def listed(client: Client, count: int) -> Place:
    """What is closed, once Temporal lists so many."""
    async with asyncio.timeout(GENEROUS_S):
        while True:
            place = await closed.look(client)
            if place.looked_at == count:
                return place


async def test_a_closed_workflow_needs_its_key_until_its_retention_is_over(server: Temporal) -> None:
    old, new = await holding(server, "old"), await holding(server, "new")
    began = datetime.now(UTC) - timedelta(minutes=1)
    for client in (old, new, new):
        await run(client)
    place = await listed(new, 3)
    assert {key_id: held.count for key_id, held in place.held.items()} == {"old": 1, "new": 2}
    assert place.unseen is None
    kept = await closed.retention(new)
    for held in place.held.values():
        assert held.until is not None
        assert began + kept < held.until < datetime.now(UTC) + kept + timedelta(minutes=1)

    place = await closed.look(new, most=1)
    assert ({*place.held}, place.looked_at) == ({"new"}, 1)
    assert place.unseen is not None
    assert place.unseen.startswith("only the 1 latest were looked at, back to ")


async def test_a_schedule_needs_the_key_of_what_it_starts_a_workflow_with_and_of_what_it_hands_on(
    server: Temporal,
) -> None:
    old, new = await holding(server, "old"), await holding(server, "new")
    assert await schedules.look(new) == Place(name="schedules")
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
    place = await schedules.look(new)
    assert (place.looked_at, place.held, place.unseen) == (3, {"old": Held(count=1)}, None)

    # A result of the verification is read; one of another schedule of ours is not.
    async with Worker(new, task_queue=TASK_QUEUE, workflows=[Echo]):
        for name in ("trenova-reconcile", OURS):
            await new.get_schedule_handle(name).trigger()
        async with asyncio.timeout(GENEROUS_S):
            while (place := await schedules.look(new)).held.keys() != {"old", "new"}:
                pass
        await listed(new, 2)
    assert (await schedules.look(new)).held == {"old": Held(count=1), "new": Held(count=1)}


async def test_a_run_of_a_schedule_is_not_said_to_wait_for_what_it_does_not_read(server: Temporal) -> None:
    """Neither for the result of the run before, nor for its search attributes, which are never encrypted."""
    old, strict = await holding(server, "old"), await holding(server, "new", strict=True)
    started = ScheduleActionStartWorkflow("Echo", id=OURS, task_queue=TASK_QUEUE)
    handle = await old.create_schedule(OURS, Schedule(action=started, spec=ScheduleSpec()))
    async with Worker(old, task_queue=TASK_QUEUE, workflows=[Echo]):
        await handle.trigger()
        await listed(old, 1)
    # Nobody works on this one.
    await handle.trigger()
    async with asyncio.timeout(GENEROUS_S):
        while (work := await open_work(strict)).looked_at == 0:
            pass
    assert work == OpenWork(key_ids={}, looked_at=1)


async def test_a_spool_needs_the_keys_of_its_batches_while_an_api_holds_it(tmp_path: Path) -> None:
    with Spool.open(tmp_path, 64 * BLOCK_BYTES) as held:
        for key_id in ("old", "old", "new"):
            payload = Payload(
                metadata={"encoding": b"binary/encrypted", "encryption-key-id": key_id.encode()}, data=b"x"
            )
            parcel = Parcel(batch_id=str(uuid_utils.uuid7()), entries=1, payload=payload, fairness=Priority())
            await held.put(parcel)
        wanted = {"old": Held(count=2), "new": Held(count=1)}
        assert spool.look(tmp_path) == Place(name=spool.NAME, held=wanted, looked_at=3)
    (tmp_path / f"{uuid_utils.uuid7()}.damaged").write_bytes(b"half of it")
    assert spool.look(tmp_path).unseen == f"1 files in {tmp_path} cannot be read"
    assert (
        spool.look(tmp_path / "none").unseen == f"{tmp_path / 'none'} cannot be looked into: No such file or directory"
    )


def report_of(name: str, *, encrypts: bool) -> KeyReport:
    return KeyReport(id=name, encrypts=encrypts, form="base64", source="here", fingerprint="0" * 16)


@pytest.mark.parametrize(
    ("places", "needed", "code"),
    [
        ([Place(name="a", held={"old": Held(count=1)}), Place(name="b", unseen="away")], True, 3),
        ([Place(name="a"), Place(name="b", unseen="away")], None, 3),
        ([Place(name="a"), Place(name="b")], False, 0),
        ([Place(name=spool.NAME, held={"gone": Held(count=1)})], False, 1),
        ([Place(name=closed.NAME, held={"gone": Held(count=1)})], False, 0),
    ],
)
def test_what_was_not_seen_is_never_taken_for_nothing(
    places: list[Place], needed: object, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = Needs(work=OpenWork(key_ids={}), places=places, beyond="other spools")
    keys = (report_of("new", encrypts=True), report_of("old", encrypts=False))
    assert needs.is_needed("old") is needed
    assert needs.exit_code(keys) == code
    keys_check.show(keys, needs)
    said = capsys.readouterr().out
    assert ("nothing that was looked at needs old" in said) == (needed is False)
    assert ("whether old is needed is not known" in said) == (needed is None)
    assert "not seen from here: other spools" in said
    assert ("not seen: b: away" in said) == any(place.unseen for place in places)
