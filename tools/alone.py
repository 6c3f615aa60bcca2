"""Run a command while no other process runs one under the same lock: alone.py LOCK_FILE COMMAND...

`make` sets up .venv with it, on whatever Python there is, so that one `make` at a time installs into it. The
kernel holds the lock for the command and all processes that it starts, until the last of them exits. After `kill -9` of
`make` alone its pip still works on the folder, and the next `make` waits for it.
"""

import fcntl
import os
import sys


def main(lock_file: str, command: list[str]) -> None:
    # NFS locks only files that are open for writing; elsewhere a read-only file will do.
    descriptor = os.open(lock_file, os.O_RDWR if os.access(lock_file, os.W_OK) else os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another make is installing into .venv; waiting for it …", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.set_inheritable(descriptor, True)
    os.execvp(command[0], command)  # noqa: S606 - the command of our own Makefile


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except KeyboardInterrupt:
        sys.exit(130)
