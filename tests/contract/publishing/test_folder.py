"""Checkpoints as files: the newest and every one that was the newest, and never a half of one."""

import asyncio
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import structlog.testing

from contract.publishing.conftest import Stand, Witnessing
from examples import bodies
from trenova.ledger import note as notes
from trenova.ledger import signing, verify
from trenova.ledger.log_signer import LogSigner
from trenova.publishing.folder import NEWEST, PublishFolder, place, write
from trenova.store import Store


@pytest.fixture
def public(tmp_path: Path, signer: LogSigner, logs: Store) -> PublishFolder:
    return PublishFolder(path=tmp_path / "public", prefix=signer.prefix, store=logs)


async def append(logs: Store, tenant: str, count: int) -> None:
    await logs.entries.append(str(uuid.uuid4()), bodies(tenant, count))


def names(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()}


async def test_each_newest_checkpoint_is_written_and_kept(
    public: PublishFolder, logs: Store, signer: LogSigner, tenant: str
) -> None:
    for count, size in ((1, 1), (299, 300)):
        await append(logs, tenant, count)
        await public.look()
        newest = (public.path / tenant / NEWEST).read_bytes()
        assert verify.signed_checkpoint(newest, keys=signer.keys(tenant), check=signing.check).size == size
        assert (public.path / tenant / str(size)).read_bytes() == newest
    assert names(public.path / tenant) == {NEWEST, "1", "300"}


async def test_cosignatures_that_come_later_are_added_to_what_is_there(
    public: PublishFolder, logs: Store, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    await append(logs, tenant, 2)
    await public.look()
    async with stands[0].serving():
        await witnessing(stands[0]).look()
    await public.look()
    key = stands[0].service.signer.key
    for name in (NEWEST, "2"):
        note = notes.parse((public.path / tenant / name).read_bytes())
        assert verify.signatures(note, keys=[key], check=signing.check) == (key,)


KILLED_BEFORE_RENAMING = """
import os, pathlib, signal, sys
from trenova.publishing.folder import write

left = int(sys.argv[2])
rename = pathlib.Path.replace

def replace(self, target):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(self, target)

pathlib.Path.replace = replace
write(pathlib.Path(sys.argv[1]), sys.stdin.buffer.read())
"""


@pytest.mark.parametrize("renamed", [0, 1])
async def test_a_process_killed_before_it_renames_leaves_the_checkpoint_before_and_the_next_look_mends_it(
    public: PublishFolder, logs: Store, tenant: str, renamed: int
) -> None:
    await append(logs, tenant, 1)
    await public.look()
    await append(logs, tenant, 1)
    before, after = [await logs.cosignatures.cosigned(tenant, size) for size in (1, 2)]
    assert after is not None
    at = public.path / tenant
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED_BEFORE_RENAMING, str(at), str(renamed)],
        input=after,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert (at / NEWEST).read_bytes() == before
    assert ("2" in names(at)) is bool(renamed)
    await public.look()
    assert (at / NEWEST).read_bytes() == (at / "2").read_bytes() == after
    assert (at / "1").read_bytes() == before


async def test_two_processes_publish_into_one_folder(
    public: PublishFolder, logs: Store, signer: LogSigner, tenant: str
) -> None:
    other = PublishFolder(path=public.path, prefix=signer.prefix, store=logs)
    for size in (1, 2, 3):
        await append(logs, tenant, 1)
        await asyncio.gather(public.look(), other.look())
        assert (public.path / tenant / NEWEST).read_bytes() == await logs.cosignatures.cosigned(tenant, size)
    with public.alone() as first, other.alone() as second:
        assert (first, second) == (True, False)


async def test_what_was_published_is_never_taken_back(
    public: PublishFolder, logs: Store, signer: LogSigner, tenant: str
) -> None:
    await append(logs, tenant, 2)
    at = public.path / tenant
    at.mkdir(parents=True)
    for size, reason in ((2, "another history"), (3, "another history")):
        published = signer.sign(tenant, size=size, root=bytes(32))
        write(at, published)
        fresh = PublishFolder(path=public.path, prefix=signer.prefix, store=logs)
        with structlog.testing.capture_logs() as logged:
            await fresh.look()
            await fresh.look()
        (line,) = [line for line in logged if line["event"] == "publishing refused"]
        assert (line["log_level"], line["tenant"]) == ("error", tenant)
        assert reason in line["reason"]
        assert (at / NEWEST).read_bytes() == published


@pytest.mark.parametrize("tenant", [".", ".."])
def test_no_tenant_leads_out_of_the_folder(tmp_path: Path, tenant: str) -> None:
    assert (tmp_path / place(tenant)).resolve().parent == tmp_path.resolve()
    assert place("a..b") == "a..b"
