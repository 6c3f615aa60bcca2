"""The processes that verify."""

import subprocess
import sys

import psutil

from conftest import GENEROUS_S

PROGRAM = """
import os, time
from trenova.store.verification import processes
if __name__ == "__main__":
    with processes(1) as workers:
        print(workers.submit(os.getpid).result(), flush=True)
        time.sleep(3600)
"""


def test_they_end_with_the_process_that_started_them_even_when_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as opener:
        assert opener.stdout is not None
        worker = psutil.Process(int(opener.stdout.readline()))
        opener.kill()
    ended, _ = psutil.wait_procs([worker], timeout=GENEROUS_S)
    assert ended == [worker]
