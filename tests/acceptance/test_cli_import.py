"""`trenova import`: entries are stored once, refused lines are written with their reasons, errors say what to do."""

import gzip
import json
import random
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from acceptance.conftest import CommandResult, Dev, User, ndjson
from conftest import new_tenant
from trenova.dev import ports

SAMPLES = Path(__file__).parents[1] / "data" / "importing"
CLOUDTRAIL = SAMPLES / "cloudtrail.ndjson"
NUMBER = r"[\d,]+"
SUMMARY = re.compile(
    rf"read {NUMBER} · accepted {NUMBER} · duplicates {NUMBER} ·( differing {NUMBER} ·)? refused {NUMBER} · [\d.]+ s"
)


def counts(ended: CommandResult) -> dict[str, int]:
    """The numbers of the summary line."""
    summary = ended.lines[0]
    assert SUMMARY.fullmatch(summary), summary
    return {name: int(number) for name, number in re.findall(r"([a-z]+) (\d+)", summary)}


@pytest.mark.parametrize("product", ["cloudtrail", "kubernetes", "github", "okta", "gcp"])
def test_the_samples_of_every_product_are_stored_and_refused_lines_are_written_to_a_file(
    trenova: User, product: str
) -> None:
    file = SAMPLES / f"{product}.ndjson"
    ended = trenova("import", "--map", product, "--tenant", trenova.tenant, str(file))
    found = counts(ended)
    assert found["read"] == len(file.read_bytes().splitlines())
    assert found["read"] == found["accepted"] + found["duplicates"] + found["refused"]
    assert found["accepted"] == len(trenova.stored_entries()) > 0
    if found["refused"]:
        assert ended.exit_code == 3
        assert ended.lines[-1] == "refused lines and their reasons: refused.ndjson"
        assert len((trenova.folder / "refused.ndjson").read_text().splitlines()) == found["refused"]
    else:
        assert ended.exit_code == 0
        assert not (trenova.folder / "refused.ndjson").exists()
    assert "Traceback" not in ended.err


def test_a_second_import_adds_nothing(trenova: User) -> None:
    words = ("import", "--map", "cloudtrail", "--tenant", trenova.tenant, "--json", str(CLOUDTRAIL))
    assert trenova(*words).json == {
        "read": 12,
        "accepted": 12,
        "spooled": 0,
        "parked": 0,
        "duplicates": 0,
        "differing": 0,
        "refused": 0,
    }
    again = trenova(*words)
    assert again.exit_code == 0
    assert again.json == {
        "read": 12,
        "accepted": 0,
        "spooled": 0,
        "parked": 0,
        "duplicates": 12,
        "differing": 0,
        "refused": 0,
    }
    assert len(trenova.stored_entries()) == 12


def test_plain_compressed_piped_and_several_files_give_the_same_entries(trenova: User) -> None:
    lines = CLOUDTRAIL.read_bytes().splitlines(keepends=True)
    first, second = trenova.folder / "first.ndjson.gz", trenova.folder / "second.ndjson"
    first.write_bytes(gzip.compress(b"".join(lines[:5])))
    second.write_bytes(b"".join(lines[5:9]))
    words = ("import", "--map", "cloudtrail", "--tenant", trenova.tenant, "--json")
    ended = trenova(*words, str(first), str(second), "-", stdin=b"".join(lines[9:]))
    assert ended.exit_code == 0
    assert ended.json["accepted"] == 12
    assert trenova(*words, str(CLOUDTRAIL)).json["duplicates"] == 12


def test_what_was_imported_is_listed_newest_first_over_all_pages_and_nothing_else(trenova: User) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    entries = [
        {"comment": f"number {number}", "occurred_at": (start + timedelta(seconds=number)).isoformat()}
        for number in random.sample(range(1200), 1200)
    ]
    words = ("import", "-", "--json", "--tenant", trenova.tenant)
    assert trenova(*words, stdin=ndjson(*entries)).json["accepted"] == 1200
    ended = trenova("entries", "--all", "--json", "--tenant", trenova.tenant)
    assert [json.loads(line)["comment"] for line in ended.lines] == [
        f"number {number}" for number in range(1199, -1, -1)
    ]


def test_a_second_content_under_an_id_is_reported_and_the_first_stays(trenova: User) -> None:
    same_id = {"id": "9f1c1f9e-27d5-4c50-8a55-0b1c54e61c6f"}
    trenova.add({**same_id, "comment": "first"})
    ended = trenova("import", "-", "--tenant", trenova.tenant, stdin=ndjson({**same_id, "comment": "second"}))
    assert ended.exit_code == 0
    assert "1 duplicate differs from the stored entry with the same id, which stays unchanged" in ended.out
    assert [entry["comment"] for entry in trenova.stored_entries()] == ["first"]


def test_refused_lines_are_written_with_file_line_reason_and_record_and_the_rest_is_stored(trenova: User) -> None:
    lines = [
        ndjson({"comment": "good"}),
        b"not json\n",
        ndjson({"action": "Not An Action"}),
        b'{"a": 1, "a": 2}\n',
        ndjson({"comment": "good too"}),
    ]
    (trenova.folder / "mixed.ndjson").write_bytes(b"".join(lines))
    ended = trenova("import", "mixed.ndjson", "--tenant", trenova.tenant, "--refused", "bad.ndjson")
    assert ended.exit_code == 3
    assert counts(ended) == {"read": 5, "accepted": 2, "duplicates": 0, "refused": 3}
    assert ended.lines[-1] == "refused lines and their reasons: bad.ndjson"
    refused = [json.loads(line) for line in (trenova.folder / "bad.ndjson").read_text().splitlines()]
    by_line = {line["line"]: line for line in refused}
    assert set(by_line) == {2, 3, 4}
    assert {line["file"] for line in refused} == {"mixed.ndjson"}
    assert by_line[2]["record"] == "not json"
    assert "not JSON" in by_line[2]["reason"]
    assert "/action" in by_line[3]["reason"]
    assert len(trenova.stored_entries()) == 2


def test_refused_lines_exit_the_same_with_json(trenova: User) -> None:
    ended = trenova("import", "-", "--json", "--tenant", trenova.tenant, stdin=b"x\n")
    assert ended.exit_code == 3
    assert ended.json == {
        "read": 1,
        "accepted": 0,
        "spooled": 0,
        "parked": 0,
        "duplicates": 0,
        "differing": 0,
        "refused": 1,
    }


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("import", "gone.ndjson"), "cannot read gone.ndjson: No such file or directory"),
        (("import", "."), "cannot read .: Is a directory"),
        (("import", "good.ndjson", "gone.ndjson"), "cannot read gone.ndjson: No such file or directory"),
        (("import", "good.ndjson", "--tenant", "two words"), "invalid tenant 'two words'"),
        (
            ("import", "good.ndjson", "--refused", "good.ndjson"),
            "good.ndjson cannot be read and written at the same time",
        ),
    ],
)
def test_a_mistake_is_one_error_and_one_hint_before_anything_is_sent(
    trenova: User, words: tuple[str, ...], error: str
) -> None:
    (trenova.folder / "good.ndjson").write_bytes(ndjson({"tenant": trenova.tenant}))
    ended = trenova(*words)
    assert ended.error_and_hint()[0] == error
    assert ended.out == ""
    assert trenova.stored_entries() == []
    assert (trenova.folder / "good.ndjson").read_bytes() == ndjson({"tenant": trenova.tenant})


def test_an_unknown_map_is_wrong_usage_that_lists_the_maps(trenova: User) -> None:
    ended = trenova("import", "--map", "splunk", str(CLOUDTRAIL))
    assert ended.exit_code == 2
    for name in ("none", "cloudtrail", "kubernetes", "github", "okta", "gcp"):
        assert name in ended.err


def test_an_unwritable_file_for_refused_lines_is_an_error(trenova: User) -> None:
    ended = trenova("import", "-", "--refused", "no/such/folder", stdin=b"x\n")
    assert ended.exit_code == 1
    assert "error: cannot write refused lines to no/such/folder: No such file or directory" in ended.err.splitlines()
    assert ended.err.splitlines()[-1].startswith("hint: ")


def test_entries_without_a_tenant_are_refused_when_the_key_is_for_any(trenova: User) -> None:
    ended = trenova("import", "-", stdin=ndjson({}))
    assert ended.exit_code == 3
    assert "/tenant" in (trenova.folder / "refused.ndjson").read_text()


def test_a_wrong_key_is_an_error_and_a_hint_and_a_note_that_the_import_stopped(trenova: User) -> None:
    ended = trenova("import", "--map", "cloudtrail", str(CLOUDTRAIL), TRENOVA_API_KEY="trn_0_wrong")
    assert ended.exit_code == 1
    assert [line.split(":")[0] for line in ended.err.splitlines()][-2:] == ["error", "hint"]
    assert "unknown or revoked" in ended.err
    assert "nothing is stored twice" in ended.err


def test_without_a_server_the_error_says_how_to_start_one(newcomer: User) -> None:
    error, hint = newcomer("import", str(CLOUDTRAIL)).error_and_hint()
    assert "no `trenova dev` runs on" in error
    assert "make dev" in hint
    assert "TRENOVA_API_URL" in hint


def test_an_unreachable_server_is_waited_for_until_ctrl_c(trenova: User) -> None:
    away = f"http://127.0.0.1:{ports.choose()}"
    with trenova.start(
        "import", "--map", "cloudtrail", str(CLOUDTRAIL), TRENOVA_API_URL=away, TRENOVA_API_KEY="k"
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().decode().startswith("waiting for the API: ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"nothing is stored twice" in err
    assert out.startswith(b"read 12 ")


def test_the_variables_take_precedence_over_the_data_folder(trenova: User, dev: Dev, tmp_path: Path) -> None:
    tenant = new_tenant()
    ended = trenova(
        "import",
        "-",
        "--json",
        stdin=ndjson({"tenant": tenant}),
        TRENOVA_DATA_DIR=str(tmp_path),
        TRENOVA_API_URL=dev.state["api_url"],
        TRENOVA_API_KEY=dev.state["api_key"],
    )
    assert ended.json["accepted"] == 1
