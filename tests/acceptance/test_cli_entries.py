"""`trenova entries` and `trenova tail`: what is shown is what is stored, and nothing in it can harm the reader."""

import json
import os
import pty
import select
import signal
import subprocess
import uuid
from typing import Any

import pytest

from acceptance.conftest import BESIDE_PYTHON, User, environment
from trenova.dev import ports
from waiting import until

HOSTILE = "\x1b[31m\x1b]0;owned\x07[red]x[/red] [/]\u202e\u009b2J\r\n\t\x00"[:-1]


def ids(trenova: User, *words: str) -> set[str]:
    ended = trenova("entries", "--json", "--tenant", trenova.tenant, *words)
    assert ended.exit_code == 0, ended
    return {json.loads(line)["target"]["id"] for line in ended.lines}


def target(name: str, **fields: Any) -> dict[str, Any]:
    return {"target": {"type": "shipment", "id": name}, **fields}


def test_the_table_shows_actor_action_target_time_and_outcome(trenova: User) -> None:
    trenova.add(
        {
            "occurred_at": "2026-03-01T01:30:00+02:00",
            "actor": {"type": "user", "id": "u-1", "name": "Ada Lovelace"},
            "target": {"type": "shipment", "id": "s-9"},
            "outcome": "denied",
        }
    )
    ended = trenova("entries", "--tenant", trenova.tenant)
    header, row = ended.lines
    assert header.split() == ["occurred", "tenant", "actor", "action", "target", "outcome"]
    assert row.split("  ")[0] == "2026-02-28 23:30:00"
    for text in (trenova.tenant, "user Ada Lovelace", "shipment.update", "shipment s-9", "denied"):
        assert text in row
        assert row.index(text) in {header.index(name) for name in header.split()}


def test_json_is_one_stored_entry_per_line_byte_for_byte(trenova: User) -> None:
    trenova.add({"comment": "Grüße 漢字 \u2028", "metadata": {"b": 1.0, "a": [1e-7, 12345678901234567]}})
    ended = trenova("entries", "--json", "--tenant", trenova.tenant)
    (line,) = ended.out.removesuffix("\n").split("\n")
    with trenova.api() as client:
        stored = client.get(f"/v1/entries/{json.loads(line)['id']}", params={"tenant": trenova.tenant})
    assert line.encode() == stored.content
    latin = trenova("entries", "--json", "--tenant", trenova.tenant, PYTHONIOENCODING="latin-1")
    assert latin.out == ended.out


def test_filters_choose_entries(trenova: User) -> None:
    trenova.add(
        target("by-ada", actor={"type": "user", "id": "ada"}),
        target("deleted", action="shipment.delete"),
        target("refused", outcome="denied"),
        target("old", occurred_at="2001-01-01T00:00:00Z"),
        target("noted", comment="The Needle in it"),
    )
    everything = {"by-ada", "deleted", "refused", "old", "noted"}
    assert ids(trenova) == everything
    assert ids(trenova, "--actor", "ada") == {"by-ada"}
    assert ids(trenova, "--action", "shipment.delete") == {"deleted"}
    assert ids(trenova, "--action", "shipment.*") == everything
    assert ids(trenova, "--target", "noted") == {"noted"}
    assert ids(trenova, "--outcome", "denied") == {"refused"}
    assert ids(trenova, "--to", "2002-01-01T00:00:00Z") == {"old"}
    assert ids(trenova, "--from", "2002-01-01T00:00:00+01:00") == everything - {"old"}
    assert ids(trenova, "--q", "Needle") == {"noted"}
    assert len(ids(trenova, "--limit", "2")) == 2
    assert ids(trenova, "--limit", "2", "--all") == everything


def test_finding_nothing_is_reported_on_standard_error(trenova: User) -> None:
    ended = trenova("entries", "--tenant", trenova.tenant)
    assert (ended.exit_code, ended.out, ended.err) == (0, "", "no entries found\n")
    ended = trenova("entries", "--json", "--tenant", trenova.tenant)
    assert (ended.exit_code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize("words", [("--from", "yesterday"), ("--tenant", "a" * 20_000), ("--action", "x" * 20_000)])
def test_an_invalid_filter_is_an_error(trenova: User, words: tuple[str, str]) -> None:
    ended = trenova("entries", *words)
    assert ended.exit_code == 1
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err


def test_hostile_text_is_escaped_in_a_pipe_and_on_a_terminal(trenova: User) -> None:
    trenova.add({"actor": {"type": HOSTILE, "id": HOSTILE}, "target": {"type": "[bold]t", "id": HOSTILE}})
    ended = trenova("entries", "--tenant", trenova.tenant)
    assert len(ended.lines) == 2
    assert "\N{REPLACEMENT CHARACTER}[31m" in ended.out
    assert "[red]x[/red] [/]" in ended.out
    assert "[bold]t" in ended.out
    shown = on_a_terminal(trenova, "entries", "--tenant", trenova.tenant)
    for text in (ended.out, shown):
        assert not set(text.replace("\n", "")) & {"\x1b", "\x07", "\x9b", "\u202e", "\r", "\t"}


def on_a_terminal(trenova: User, *words: str, columns: int = 200) -> str:
    """What the command writes to a terminal, without colours."""
    terminal, end = pty.openpty()
    variables = {"TRENOVA_DATA_DIR": str(trenova.data_dir), "TERM": "dumb", "COLUMNS": str(columns)}
    with subprocess.Popen(
        [str(BESIDE_PYTHON / "trenova"), *words],
        cwd=trenova.folder,
        env=environment(**variables),
        stdin=end,
        stdout=end,
        stderr=end,
    ) as process:
        os.close(end)
        shown = b"".join(iter(lambda: read_some(terminal), b""))
        os.close(terminal)
        assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def read_some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how a terminal reports that it has no writer any more
        return b""


def test_a_narrow_terminal_cuts_the_widest_columns_and_keeps_every_one(trenova: User) -> None:
    trenova.add({"actor": {"type": "user", "id": "a" * 100}, "target": {"type": "shipment", "id": "t" * 100}})
    header, row = on_a_terminal(trenova, "entries", "--tenant", trenova.tenant, columns=80).splitlines()
    assert header.split() == ["occurred", "tenant", "actor", "action", "target", "outcome"]
    assert len(header) <= 80
    assert len(row) <= 80
    assert row.rstrip().endswith("success")
    assert row[19] == " "


def test_the_reader_may_leave_early(trenova: User) -> None:
    trenova.add(*[{"comment": "x" * 1000}] * 300)
    command = f"{BESIDE_PYTHON / 'trenova'} entries --all --json --tenant {trenova.tenant} | head -n 1"
    ended = subprocess.run(
        command,
        shell=True,
        cwd=trenova.folder,
        env=environment(TRENOVA_DATA_DIR=str(trenova.data_dir)),
        capture_output=True,
        check=True,
    )
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == b""


def test_an_unreachable_server_is_waited_for_briefly_and_then_is_one_error_and_one_hint(trenova: User) -> None:
    url = f"http://127.0.0.1:{ports.choose()}"
    ended = trenova("entries", TRENOVA_API_URL=url, TRENOVA_API_KEY="k")
    assert ended.exit_code == 1
    waiting, error, hint = ended.err.splitlines()
    assert waiting.startswith("waiting for the API: ")
    assert error.startswith(f"error: no answer from {url}: ")
    assert hint == "hint: check that the API is running; to start one on this machine: make dev"


@pytest.mark.parametrize("command", ["entries", "tail"])
def test_without_a_server_it_is_an_error(newcomer: User, command: str) -> None:
    error, hint = newcomer(command).error_and_hint()
    assert "TRENOVA_API_URL: nothing given" in error
    assert "make dev" in hint


@pytest.mark.parametrize("url", ["localhost:8080", "http://[::1"])
def test_an_invalid_address_is_an_error_before_any_request(newcomer: User, url: str) -> None:
    ended = newcomer("entries", TRENOVA_API_URL=url, TRENOVA_API_KEY="k")
    assert ended.exit_code == 1
    assert ended.err.startswith("error: invalid configuration: ")
    assert "http://localhost:8080" in ended.err


def test_a_key_is_never_sent_to_another_server_than_its_own(trenova: User) -> None:
    error, _ = trenova("entries", TRENOVA_API_URL="http://127.0.0.1:9").error_and_hint()
    assert "TRENOVA_API_KEY: nothing given" in error


def test_tail_shows_new_entries_as_they_come_and_ctrl_c_ends_it(trenova: User) -> None:
    trenova.add(target("before"))
    with trenova.start("tail", "--json", "--from-start", "--tenant", trenova.tenant) as process:
        assert next_target(process) == "before"
        trenova.add(target("second"), target("third"))
        assert [next_target(process), next_target(process)] == ["second", "third"]
        process.send_signal(signal.SIGINT)
        rest, complaint = process.communicate()
    assert process.returncode == 130
    assert rest == b""
    # On a machine that stalls, the command may have waited for the API.
    assert all(line.startswith(b"waiting for the API: ") for line in complaint.splitlines())


def test_tail_begins_with_entries_that_are_stored_from_now_on(trenova: User) -> None:
    trenova.add(target("before"))
    with trenova.start("tail", "--json", "--tenant", trenova.tenant) as process:
        until(lambda: is_new_entry_shown(process, trenova))
        assert next_target(process).startswith("after-")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert b"before" not in rest


def is_new_entry_shown(process: subprocess.Popen[bytes], trenova: User) -> bool:
    """Add one more entry, a different one each time. Returns whether the process has written since."""
    trenova.add(target(f"after-{uuid.uuid4()}"))
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0)[0])


def next_target(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["target"]["id"])


def test_tail_from_the_start_shows_the_log_in_the_order_it_was_stored(trenova: User) -> None:
    for name in ("one", "two", "three"):
        trenova.add(target(name))  # one after the other
    with trenova.start("tail", "--from-start", "--tenant", trenova.tenant) as process:
        assert process.stdout is not None
        header, *rows = [process.stdout.readline().decode() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert header.startswith("occurred")
    assert [row.split("shipment ")[1].split()[0] for row in rows] == ["one", "two", "three"]
    assert process.returncode == 130
