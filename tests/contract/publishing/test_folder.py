"""Checkpoints as files: the newest and every one that was the newest, and never a half of one."""

import asyncio
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import structlog.testing

from conftest import new_tenant
from contract.publishing.conftest import Owner, Stand, Witnessing, damaged_note, forget, set_back
from examples import bodies
from trenova.ledger import note as notes
from trenova.ledger import signing, verify
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.publishing import files
from trenova.publishing.files import NEWEST
from trenova.publishing.folder import FolderPublisher
from trenova.publishing.tenant_directories import INTERNAL, MAX_NAME_BYTES, directory_name
from trenova.store import Store
from trenova.store.checkpoint_conflicts import FOLDER


@pytest.fixture
def public(tmp_path: Path, signer: LedgerSigner, logs: Store) -> FolderPublisher:
    return FolderPublisher(path=tmp_path / "public", prefix=signer.prefix, store=logs)


async def append(logs: Store, tenant: str, count: int) -> None:
    await logs.entries.append(str(uuid.uuid4()), bodies(tenant, count))


def names(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()}


async def test_each_newest_checkpoint_is_written_and_stays_under_its_size(
    public: FolderPublisher, logs: Store, signer: LedgerSigner, tenant: str
) -> None:
    for count, size in ((1, 1), (299, 300)):
        await append(logs, tenant, count)
        await public.run_round()
        newest = (public.path / tenant / NEWEST).read_bytes()
        origin, keys = f"{signer.prefix}/{tenant}", signer.keys(tenant)
        assert verify.signed_checkpoint(newest, origin=origin, keys=keys, check=signing.check).size == size
        assert (public.path / tenant / str(size)).read_bytes() == newest
    assert names(public.path / tenant) == {NEWEST, "1", "300"}


async def test_later_cosignatures_are_added_to_a_published_checkpoint(
    public: FolderPublisher, logs: Store, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    await append(logs, tenant, 2)
    await public.run_round()
    async with stands[0].serving():
        await witnessing(stands[0]).run_round()
    await public.run_round()
    key = stands[0].service.signer.key
    for name in (NEWEST, "2"):
        note = notes.parse((public.path / tenant / name).read_bytes())
        assert verify.signatures(note, keys=[key], check=signing.check) == (key,)


KILLED_BEFORE_RENAMING = """
import os, pathlib, signal, sys
from trenova.publishing.files import write

left = int(sys.argv[2])
rename = pathlib.Path.replace

def replace(self, target):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(self, target)

pathlib.Path.replace = replace
write(pathlib.Path(sys.argv[1]), sys.argv[3], 2, sys.stdin.buffer.read())
"""


@pytest.mark.parametrize("renamed", [0, 1])
async def test_a_process_killed_before_the_rename_leaves_the_old_checkpoint_and_the_next_round_repairs_it(
    public: FolderPublisher, logs: Store, tenant: str, renamed: int
) -> None:
    await append(logs, tenant, 1)
    await public.run_round()
    await append(logs, tenant, 1)
    before, after = [await logs.cosignatures.cosigned_note(tenant, size) for size in (1, 2)]
    assert after is not None
    at = public.path / tenant
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED_BEFORE_RENAMING, str(public.path), str(renamed), tenant],
        input=after,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert (at / NEWEST).read_bytes() == before
    assert ("2" in names(at)) is bool(renamed)
    await public.run_round()
    assert (at / NEWEST).read_bytes() == (at / "2").read_bytes() == after
    assert (at / "1").read_bytes() == before


async def test_two_processes_publish_into_one_folder(
    public: FolderPublisher, logs: Store, signer: LedgerSigner, tenant: str
) -> None:
    other = FolderPublisher(path=public.path, prefix=signer.prefix, store=logs)
    for size in (1, 2, 3):
        await append(logs, tenant, 1)
        await asyncio.gather(public.run_round(), other.run_round())
        assert (public.path / tenant / NEWEST).read_bytes() == await logs.cosignatures.cosigned_note(tenant, size)
    with public.lock() as first, other.lock() as second:
        assert (first, second) == (True, False)


async def test_a_published_checkpoint_is_never_replaced_by_an_older_one(
    public: FolderPublisher, logs: Store, signer: LedgerSigner, tenant: str
) -> None:
    await append(logs, tenant, 2)
    at = public.path / tenant
    (public.path / INTERNAL).mkdir(parents=True)
    for size, reason in ((2, "another history"), (3, "another history")):
        published = signer.sign(tenant, size=size, root=bytes(32))
        files.write(public.path, tenant, size, published)
        fresh = FolderPublisher(path=public.path, prefix=signer.prefix, store=logs)
        with structlog.testing.capture_logs() as logged:
            await fresh.run_round()
            await fresh.run_round()
        (line,) = [line for line in logged if line["event"] == "published checkpoint contradicted"]
        assert (line["log_level"], line["tenant"]) == ("error", tenant)
        assert reason in line["reason"]
        assert (at / NEWEST).read_bytes() == published


async def refused_now(logs: Store, signer: LedgerSigner) -> list[tuple[str, int]]:
    refused, _ = await logs.checkpoint_conflicts.list_open(signer.prefix, [FOLDER], limit=10)
    return [(each.reason, each.size) for each in refused]


async def test_a_ledger_that_was_rolled_back_and_has_grown_differently_is_not_published(
    public: FolderPublisher, logs: Store, signer: LedgerSigner, tenant: str, owner: Owner
) -> None:
    await append(logs, tenant, 3)
    await public.run_round()
    published = (public.path / tenant / NEWEST).read_bytes()
    await set_back(owner, tenant, logs, signer, size=2)
    await append(logs, tenant, 1)
    await public.run_round()  # the same size again, seen by a process that has published that size
    ((reason, size),) = await refused_now(logs, signer)
    assert (reason, size) == (f"{tenant}/checkpoint has another history, of size 3", 3)
    await append(logs, tenant, 4)
    await public.run_round()
    ((reason, size),) = await refused_now(logs, signer)
    assert reason.startswith("consistency of size 3 with size 7")
    assert (public.path / tenant / NEWEST).read_bytes() == published
    kept = await owner.execute(
        "SELECT note, answer FROM refused_checkpoints WHERE origin = %s ORDER BY number LIMIT 1",
        [f"{signer.prefix}/{tenant}"],
    )
    ((note, answer),) = await kept.fetchall()
    for signed in (note, answer):
        origin, keys = f"{signer.prefix}/{tenant}", signer.keys(tenant)
        assert verify.signed_checkpoint(signed, origin=origin, keys=keys, check=signing.check).size == 3
    assert answer == published


async def test_a_conflict_is_settled_when_the_ledger_is_published_again(
    public: FolderPublisher, logs: Store, signer: LedgerSigner, tenant: str
) -> None:
    await append(logs, tenant, 1)
    (public.path / INTERNAL).mkdir(parents=True)
    files.write(public.path, tenant, 9, signer.sign(tenant, size=9, root=bytes(32)))
    await public.run_round()
    assert len(await refused_now(logs, signer)) == 1
    (public.path / tenant / NEWEST).unlink()
    await append(logs, tenant, 1)
    await public.run_round()
    assert await refused_now(logs, signer) == []


AWKWARD = [
    *(".", "..", ".lock", ".trenova", ".~trenova", ".checkpoint.new", "checkpoint", "1", "new", "lock", "a..b"),
    *("Acme", "acme", "ACME", "A" * 128, "a" * 128, "acme.", "_trenova", "%2E", "~2e", "~~", "-", "bé"),
]


def test_no_two_tenants_share_a_directory_and_none_has_the_internal_one(tmp_path: Path) -> None:
    names = [directory_name(tenant) for tenant in AWKWARD]
    assert len({name.casefold().rstrip(".") for name in names}) == len(AWKWARD)
    for name in names:
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
        assert not name.startswith(".")
        assert len(name) <= MAX_NAME_BYTES
    assert (directory_name("acme"), directory_name("_trenova"), directory_name("t-1.a")) == (
        "acme",
        "_trenova",
        "t-1.a",
    )


async def test_tenants_with_awkward_names_are_published_like_all_others(
    public: FolderPublisher, signer: LedgerSigner, owner: Owner
) -> None:
    """They may be there from before there was any rule for names."""
    prefix = f"{new_tenant()}-"
    tenants = [".lock", "..", f"{prefix}A", f"{prefix}a", f".{prefix}", "A" * 128]
    for tenant in tenants:
        root = bytes(32)
        note = signer.sign(tenant, size=1, root=root)
        await owner.execute("INSERT INTO heads (tenant, size, frontier) VALUES (%s, 1, %b)", [tenant, root])
        await owner.execute("INSERT INTO checkpoints (tenant, size, note) VALUES (%s, 1, %b)", [tenant, note])
    await public.run_round()
    for tenant in tenants:
        note = (public.path / directory_name(tenant) / NEWEST).read_bytes()
        origin, keys = f"{signer.prefix}/{tenant}", signer.keys(tenant)
        head = verify.signed_checkpoint(note, origin=origin, keys=keys, check=signing.check)
        assert head.origin == f"{signer.prefix}/{tenant}"
        await forget(owner, tenant)
    assert names(public.path / INTERNAL) == {"lock"}


async def test_a_tenant_whose_files_cannot_be_written_or_read_does_not_stop_others(
    public: FolderPublisher, logs: Store, owner: Owner
) -> None:
    blocked, damaged, good = (f"{letter}-{uuid.uuid4().hex[:12]}" for letter in "abc")
    for tenant in (blocked, damaged, good):
        await append(logs, tenant, 1)
    public.path.mkdir()
    (public.path / blocked).write_text("in the way")
    async with damaged_note(owner, damaged):
        with structlog.testing.capture_logs() as logged:
            await public.run_round()
            await public.run_round()
    assert (public.path / good / NEWEST).exists()
    events = [(line["event"], line["tenant"]) for line in logged if line.get("tenant") in {blocked, damaged}]
    assert events == [("checkpoint not written", blocked), ("published checkpoint contradicted", damaged)]
    (public.path / blocked).unlink()
    await public.run_round()
    assert (public.path / blocked / NEWEST).exists()
    assert public.unwritable == {}


async def test_files_of_an_earlier_release_are_moved(
    public: FolderPublisher, logs: Store, signer: LedgerSigner
) -> None:
    tenant, other = f"T-{uuid.uuid4().hex[:12]}", f"O-{uuid.uuid4().hex[:12]}"
    for each in (tenant, other):
        await append(logs, each, 2)
        (public.path / each).mkdir(parents=True)
    before = signer.sign(tenant, size=9, root=bytes(32))
    (public.path / tenant / NEWEST).write_bytes(before)
    (public.path / other / NEWEST).write_bytes(signer.sign("another", size=1, root=bytes(32)))
    (public.path / ".lock").touch()
    await public.run_round()
    assert (public.path / directory_name(tenant) / NEWEST).read_bytes() == before  # what it says still counts
    assert not (public.path / tenant).exists()
    assert (public.path / other).exists()  # of another log
    assert (public.path / directory_name(other) / NEWEST).exists()
    assert not (public.path / ".lock").exists()
