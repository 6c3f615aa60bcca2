"""Which processes a start ends because a killed run has left them, and which it leaves alone."""

import asyncio
import json
import shutil
import sys
import textwrap
from pathlib import Path

import psutil

from acceptance.dev.observed import count_stored, pid_of, store_one
from trenova.dev import orphans
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.runtime.installation.folder import Folder


async def test_servers_of_a_killed_run_are_ended_and_nothing_is_lost(folder: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from trenova.dev.postgres import Postgres
        from trenova.dev.temporal import Temporal

        async def main(folder):
            async with Postgres(folder).running(), Temporal(folder).running():
                print("ready", flush=True)
                await asyncio.Event().wait()

        asyncio.run(main(Path(sys.argv[1])))
        """
    )
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert run.stdout is not None
    assert await run.stdout.readline() == b"ready\n"
    run.kill()
    await run.wait()
    left = [psutil.Process(pid_of(folder, part)) for part in ("postgres", "temporal")]
    assert all(orphans.is_running(process) for process in left)
    Folder(folder).record("temporal").unlink()  # as if the kill had come before the record was written
    async with Postgres(folder).running() as postgres, Temporal(folder).running():
        assert not any(orphans.is_running(process) for process in left)
        store_one(postgres)
        assert count_stored(postgres) == 1


async def test_a_process_that_has_the_recorded_pid_by_chance_is_left_alone(
    folder: Path, unrelated_process: psutil.Popen
) -> None:
    record = Folder(folder).record("temporal")
    record.write_text(
        json.dumps({"pid": unrelated_process.pid, "started": 1e9, "folder": orphans.folder_identity(record)})
    )
    async with Temporal(folder).running():
        assert unrelated_process.is_running()


async def test_a_copy_of_a_folder_in_use_does_not_end_the_servers_of_the_original(folder: Path) -> None:
    async with Temporal(folder / "original").running():
        shutil.copytree(folder / "original", folder / "copy")
        assert [process.pid for process in orphans.find(Folder(folder / "original").record("temporal"))]
        assert not orphans.find(Folder(folder / "copy").record("temporal"))


async def test_a_program_that_works_in_postgres_folder_is_left_alone(folder: Path) -> None:
    async with Postgres(folder).running():
        pass
    with psutil.Popen(["/bin/sleep", "600"], cwd=folder / "postgres" / "data") as visitor:
        async with Postgres(folder).running():
            assert visitor.is_running()
        visitor.kill()
