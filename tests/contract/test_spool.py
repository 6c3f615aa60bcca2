"""The spool on a real disk: its batches survive, damaged files block no others, failed writes leave nothing."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import uuid_utils
from temporalio.api.common.v1 import Payload
from temporalio.common import Priority

from trenova.errors import InvalidConfiguration, Unavailable
from trenova.ingest.spool import BLOCK_BYTES, Spool
from trenova.ingest.spool_file import pack
from trenova.ingest.start import Parcel

ROOM = 64 * BLOCK_BYTES


def parcel(size: int = 100) -> Parcel:
    return Parcel(
        batch_id=str(uuid_utils.uuid7()), entries=1, payload=Payload(data=os.urandom(size)), fairness=Priority()
    )


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != ".lock")


async def test_spooled_batches_are_found_by_the_next_process_oldest_first(tmp_path: Path) -> None:
    parcels = [parcel() for _ in range(5)]
    with Spool.open(tmp_path / "a" / "spool", ROOM) as spool:
        for each in parcels:
            await spool.put(each)
    with Spool.open(tmp_path / "a" / "spool", ROOM) as spool:
        assert spool.oldest_first() == [each.batch_id for each in parcels]
        assert spool.used_bytes == 5 * BLOCK_BYTES
        assert spool.filled.is_set()
        for each in parcels:
            assert await spool.read(each.batch_id) == each
            await spool.remove(each.batch_id)
        assert (spool.used_bytes, spool.filled.is_set(), names(spool.folder)) == (0, False, [])


async def test_only_the_owner_can_read_the_folder_and_its_files(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool", ROOM) as spool:
        await spool.put(parcel())
        assert {oct(each.stat().st_mode & 0o777) for each in spool.folder.iterdir()} == {"0o600"}
        assert oct(spool.folder.stat().st_mode & 0o777) == "0o700"


async def test_an_unacknowledged_file_is_removed_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / f"{uuid_utils.uuid7()}.new").write_bytes(b"half of it")
    with Spool.open(tmp_path, ROOM) as spool:
        assert (spool.oldest_first(), names(tmp_path)) == ([], [])


async def test_a_damaged_file_is_set_aside_and_counted_now_and_after_a_restart(tmp_path: Path) -> None:
    good, torn, changed = parcel(), parcel(), parcel()
    with Spool.open(tmp_path, ROOM) as spool:
        for each in (good, torn, changed):
            await spool.put(each)
        spool.path(torn.batch_id).write_bytes(pack(torn)[:-10])
        spool.path(changed.batch_id).write_bytes(pack(changed)[:-1] + bytes([pack(changed)[-1] ^ 1]))
        spool.path(changed.batch_id).rename(tmp_path / "no-batch.batch")
    with Spool.open(tmp_path, ROOM) as spool:
        assert await spool.read(torn.batch_id) is None
        assert await spool.read("no-batch") is None
        assert await spool.read(good.batch_id) == good
        assert (spool.oldest_first(), spool.damaged) == ([good.batch_id], 2)
    assert names(tmp_path) == sorted([f"{good.batch_id}.batch", f"{torn.batch_id}.damaged", "no-batch.damaged"])
    assert (tmp_path / f"{torn.batch_id}.damaged").read_bytes() == pack(torn)[:-10]
    with Spool.open(tmp_path, ROOM) as spool:
        assert (spool.oldest_first(), spool.damaged) == ([good.batch_id], 2)


async def test_a_name_that_is_not_a_batch_of_the_spool_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret.batch").write_bytes(b"")
    (tmp_path / "spool").mkdir()
    with Spool.open(tmp_path / "spool", ROOM) as spool:
        assert await spool.read("../secret") is None
    assert (tmp_path / "secret.batch").exists()


async def test_a_full_spool_accepts_nothing_until_a_batch_was_removed(tmp_path: Path) -> None:
    with Spool.open(tmp_path, 4 * BLOCK_BYTES) as spool:
        first = parcel()
        for each in (first, parcel(BLOCK_BYTES), parcel()):
            await spool.put(each)
        assert spool.is_full
        with pytest.raises(Unavailable, match="the spool is full") as caught:
            await spool.put(parcel())
        assert caught.value.retry_after_s >= 1
        assert len(names(tmp_path)) == 3
        await spool.remove(first.batch_id)
        await spool.put(parcel())
        assert len(names(tmp_path)) == 3


def test_a_second_process_cannot_open_the_folder_unless_the_first_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from trenova.ingest.spool import Spool\n"
        f"with Spool.open(Path({str(tmp_path)!r}), {ROOM}): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        while holder.stdout.readline() != b"held\n":
            assert holder.poll() is None
        with (
            pytest.raises(InvalidConfiguration, match="in use by another API process") as caught,
            Spool.open(tmp_path, ROOM),
        ):
            pass
        assert caught.value.hint
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with Spool.open(tmp_path, ROOM):
        pass


@pytest.mark.parametrize("place", ["/proc/spool", "/dev/null/spool"])
def test_a_folder_that_cannot_be_created_is_an_error_that_names_it(place: str) -> None:
    with (
        pytest.raises(InvalidConfiguration, match=f"api.spool.folder: {place} cannot be used"),
        Spool.open(Path(place), ROOM),
    ):
        pass


async def test_a_partly_written_file_is_removed(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Spool.open(tmp_path, ROOM) as spool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK_BYTES, before[1]))
        try:
            with pytest.raises(Unavailable, match="cannot store the entries"):
                await spool.put(parcel(2 * BLOCK_BYTES))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert (spool.used_bytes, names(tmp_path)) == (0, [])
        await spool.put(parcel(2 * BLOCK_BYTES))


async def test_nothing_is_accepted_into_a_missing_folder(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool", ROOM) as spool:
        spool.folder.rename(tmp_path / "elsewhere")
        with pytest.raises(Unavailable, match="cannot store the entries"):
            await spool.put(parcel())
        (tmp_path / "elsewhere").rename(spool.folder)
        await spool.put(parcel())
        assert len(spool.oldest_first()) == 1


@pytest.mark.parametrize("failing", [1, 2], ids=["of the file", "of the folder"])
async def test_after_a_failed_fsync_the_file_is_removed(
    tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Spool.open(tmp_path, ROOM) as spool:
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(Unavailable, match="cannot store the entries"):
            await spool.put(parcel())
        # Not retried: a second fsync may succeed although the content was lost.
        assert len(synced) == failing
        assert (spool.oldest_first(), spool.used_bytes, names(tmp_path)) == ([], 0, [])
