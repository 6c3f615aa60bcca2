"""`trenova dead-letters`: an operator lists, edits and replays what the database rejected, without SQL."""

import asyncio
import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from acceptance.conftest import Dev, User, entry_of
from poison_rule import POISON, Rule, poison_rule
from trenova.dev.postgres import Postgres


@pytest.fixture
def rule(dev: Dev) -> Iterator[Rule]:
    postgres = Postgres(dev.data_dir, port=make_url(dev.state["database_url"]).port)
    with asyncio.Runner() as runner:
        context = poison_rule(postgres.owner_url)
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))


def park(trenova: User, count: int = 1) -> list[dict[str, Any]]:
    """The dead letters, newest first, as JSON."""
    trenova.park(*({"id": str(uuid.uuid4()), "action": POISON} for _ in range(count)))
    found: list[dict[str, Any]] = list_letters(trenova)
    return found[:count]


def list_letters(trenova: User, *words: str) -> Any:
    return trenova("dead-letters", "list", "--tenant", trenova.tenant, "--json", *words).objects


def test_what_is_parked_is_listed_with_its_reason_and_shown_with_its_entry(trenova: User, rule: Rule) -> None:
    (letter,) = park(trenova)
    table = trenova("dead-letters", "list", "--tenant", trenova.tenant)
    header, row = table.lines
    assert header.split()[:3] == ["id", "tenant", "parked"]
    for text in (letter["id"], trenova.tenant, "23514", rule.name):
        assert text in row
    shown = trenova("dead-letters", "show", letter["id"])
    assert f'"action":"{POISON}"' in shown.out
    assert base64.b64decode(trenova("dead-letters", "show", letter["id"], "--json").json["body"]).startswith(b"{")


def test_an_import_reports_how_many_of_its_entries_are_parked(trenova: User, rule: Rule) -> None:
    made = [entry_of(id=str(uuid.uuid4()), action=action) for action in ("shipment.update", POISON)]
    file = trenova.folder / "entries.ndjson"
    file.write_text("\n".join(json.dumps(each) for each in made))
    words = ("import", "--tenant", trenova.tenant, str(file))
    ended = trenova(*words)
    assert ended.exit_code == 3
    assert ended.lines[0].startswith("read 2 · accepted 1 · parked 1 · duplicates 0 · refused 0 · ")
    assert (
        ended.lines[1]
        == "the database rejected the parked entries; they are retried. Reasons: trenova dead-letters list"
    )
    again = trenova(*words, "--json").json
    assert (again["read"], again["parked"], again["duplicates"]) == (2, 1, 1)


def test_a_list_without_parked_entries_says_so(trenova: User) -> None:
    ended = trenova("dead-letters", "list", "--tenant", trenova.tenant)
    assert (ended.exit_code, ended.out, ended.err) == (0, "", "no entry is parked\n")


def test_a_replay_reports_its_result(trenova: User, rule: Rule) -> None:
    letters = park(trenova, 3)
    one = trenova("dead-letters", "replay", letters[0]["id"])
    assert (one.exit_code, one.out.startswith("still parked: "), rule.name in one.out) == (3, True, True)
    every = trenova("dead-letters", "replay", "--tenant", trenova.tenant)
    assert every.exit_code == 3
    assert every.out.startswith("due 3 · tried ")
    asyncio.run(rule.lift())
    assert trenova("dead-letters", "replay", letters[0]["id"]).out == "stored\n"
    done = trenova("dead-letters", "replay", "--tenant", trenova.tenant, "--json")
    assert (done.exit_code, done.json["due"]) == (0, 2)
    assert list_letters(trenova) == []
    assert {each["state"] for each in list_letters(trenova, "--state", "stored")} == {"stored"}


def test_an_edit_from_a_file_or_in_the_editor_is_stored_at_once(trenova: User, rule: Rule) -> None:
    first, second = park(trenova, 2)
    fixed = trenova.folder / "fixed.json"
    fixed.write_text(json.dumps(entry_of(action="fixed.by_file")))
    assert trenova("dead-letters", "edit", first["id"], "--file", str(fixed)).out == "stored\n"
    edited = trenova("dead-letters", "edit", second["id"], EDITOR=f"sed -i s/{POISON}/fixed.by_hand/")
    assert (edited.exit_code, edited.out) == (0, "stored\n")
    actions = {entry["id"]: entry["action"] for entry in trenova.stored_entries()}
    assert actions[first["entry_id"]] == "fixed.by_file"
    assert actions[second["entry_id"]] == "fixed.by_hand"


def test_an_editor_that_changes_nothing_changes_nothing(trenova: User, rule: Rule) -> None:
    (letter,) = park(trenova)
    error, hint = trenova("dead-letters", "edit", letter["id"], EDITOR="true").error_and_hint()
    assert (error, hint) == ("nothing was changed", "save the file in the editor, or name one with --file")
    assert list_letters(trenova) == [letter]


def test_an_editor_that_fails_and_a_file_that_cannot_be_written_are_one_error_and_one_hint(
    trenova: User, rule: Rule
) -> None:
    (letter,) = park(trenova)
    error, hint = trenova("dead-letters", "edit", letter["id"], EDITOR="false").error_and_hint()
    assert (error, hint) == ("false: Editing failed", "set EDITOR to an editor that works, or use --file")
    for file, why in (("missing/parked.ndjson", "No such file or directory"), ("/dev/full", "No space left on device")):
        error, hint = trenova("dead-letters", "export", file, "--tenant", trenova.tenant).error_and_hint()
        assert (error, hint) == (f"cannot write {file}: {why}", "name another file, or free some space there")


def test_an_export_holds_the_exact_bytes(trenova: User, rule: Rule) -> None:
    park(trenova, 25)
    ended = trenova("dead-letters", "export", "parked.ndjson", "--tenant", trenova.tenant)
    assert ended.err == "25 written\n"
    lines = (trenova.folder / "parked.ndjson").read_text().splitlines()
    letters = [json.loads(line) for line in lines]
    assert {letter["entry_id"] for letter in letters} == {letter["entry_id"] for letter in list_letters(trenova)}
    assert all(json.loads(base64.b64decode(letter["body"]))["id"] == letter["entry_id"] for letter in letters)
    to_standard_output = trenova("dead-letters", "export", "--tenant", trenova.tenant)
    assert to_standard_output.out.splitlines() == lines


@pytest.mark.parametrize("words", [["show", "17"], ["replay", str(uuid.UUID(int=1))], ["replay", "x"]], ids=str)
def test_an_unknown_letter_is_one_error_and_one_hint(trenova: User, words: list[str]) -> None:
    _, hint = trenova("dead-letters", *words).error_and_hint()
    assert hint == "list them: trenova dead-letters list"


@pytest.mark.parametrize("words", [[], [str(uuid.UUID(int=1)), "--all"]], ids=str)
def test_a_replay_is_either_of_one_letter_or_of_all(trenova: User, words: list[str]) -> None:
    ended = trenova("dead-letters", "replay", *words)
    assert ended.exit_code == 2
    assert "give either an ID, or --all, or --tenant NAME" in " ".join(ended.err.split())
