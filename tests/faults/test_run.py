"""The fault test itself, on a small scale: every part dies under load, and all its processes end with it.

The runs of docs/faults.md are the same, and longer.
"""

import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from chaos import faults, plan, run
from chaos.conduct import RunPlan
from chaos.rig import new_folder, rig_running

from acceptance.conftest import environment
from trenova.errors import PartFailed
from waiting import until

pytestmark = pytest.mark.long

CHECKOUT = Path(__file__).parents[2]
SEED = 20
ENTRIES, RATE = 3_000, 100
WITHOUT_POSTGRES = 500


async def test_no_acknowledged_entry_is_lost_or_stored_twice_whatever_dies() -> None:
    outage = replace(plan.outage(0, least=WITHOUT_POSTGRES), number=len(plan.SHORT_DECK) + 1)
    schedule = (*plan.faults(SEED, len(plan.SHORT_DECK), plan.SHORT_DECK), outage)
    outcome = await run.run_from_scratch(
        RunPlan(seed=SEED, schedule=schedule, entries=ENTRIES, seconds=None), rate=RATE
    )
    checked = outcome.checked
    assert outcome.holds, checked.findings.examples
    assert [each.injected.fault for each in outcome.recoveries] == list(schedule)
    assert outcome.recoveries[-1].injected.accepted >= WITHOUT_POSTGRES
    assert ENTRIES <= checked.acknowledged <= checked.stored == checked.verified
    assert checked.checkpoints
    assert checked.receipts
    assert outcome.given_up <= 1, outcome.deaths


async def test_a_run_that_times_out_ends_and_shows_the_state_of_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "DATABASE_LIMIT_S", 1)
    folder = new_folder()
    try:
        async with rig_running(folder) as rig:
            await rig.kill(("api",))
            rig.signal("postgres", signal.SIGSTOP)
            with pytest.raises(PartFailed, match="PostgreSQL accepted no connection for 1 s") as failure:
                await faults.database_back(rig)
            notes = "\n".join(failure.value.__notes__)
            pids = [rig.processes[name].pid for name in ("postgres", "temporal", "worker")]
            assert not rig.deaths
    finally:
        shutil.rmtree(folder)
    assert "postgres: accepts no connection: no answer within 5 s" in notes
    assert f"{pids[0]} stopped, " in notes
    assert re.search("stopped, .* s of processor time: postgres: checkpointer", notes)
    assert "temporal: answers" in notes
    assert "api: does not answer (ConnectError)\n  no process" in notes
    assert re.search('^worker: 503 {"ready":false', notes, re.MULTILINE)
    assert all(f"  {pid} " in notes for pid in pids)
    assert "  | " in notes


def of_folder(folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if folder in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing_behind(how: signal.Signals, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file:
        argv = [sys.executable, "-m", "chaos.run", "--seed", "1", "--minutes", "10"]
        child = subprocess.Popen(
            argv, cwd=CHECKOUT, env=environment(), stdout=file, stderr=file, start_new_session=True
        )
    try:
        until(lambda: b"entries acknowledged" in output.read_bytes() or child.poll() is not None, output.read_text)
        (folder,) = re.findall(r"starting everything in (\S+)", output.read_text())
        assert of_folder(folder)
        child.send_signal(how)
        assert child.wait(600) == 130, output.read_text()
    finally:
        child.kill()
        child.wait()
    until(lambda: not of_folder(folder), lambda: of_folder(folder))
    assert not Path(folder).exists()


def test_a_missing_strace_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "chaos.run", "--storage"],
        cwd=CHECKOUT,
        env=environment(PATH=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    error, hint = ended.stderr.splitlines()
    assert error == "error: system calls cannot be made to fail: strace is missing"
    assert hint.startswith("hint: install it (Debian: apt-get install strace)")
