"""Reading records: formats, damage and progress."""

import gzip
import io
import json
import re
from pathlib import Path

import pytest

from trenova.errors import InvalidRequest
from trenova.importing import read
from trenova.importing.record import Record, UnreadableRecord


def read_records(tmp_path: Path, content: bytes) -> list[Record | UnreadableRecord]:
    file = tmp_path / "source"
    file.write_bytes(content)
    with read.open_source(str(file)) as source:
        return list(source)


def read_events(tmp_path: Path, content: bytes) -> list[tuple[int, object]]:
    """Line and event, or line and reason, of every record."""
    records = read_records(tmp_path, content)
    return [(record.line, record.event if isinstance(record, Record) else record.reason) for record in records]


def test_ndjson_gives_each_line_with_its_number_and_bytes(tmp_path: Path) -> None:
    records = read_records(tmp_path, b'{"a": 1}\r\n\n  \n{"b":2}')
    assert records == [Record(1, {"a": 1}, b'{"a": 1}'), Record(4, {"b": 2}, b'{"b":2}')]


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a":1},{"b":2}]',
        b'\n [\n  {"a": 1},\n  {"b": 2}\n]\n',
        b'{"Records":[{"a":1},{"b":2}]}',
        b'{\n "Records": [\n {"a": 1}, {"b": 2}]}',
        b'\xef\xbb\xbf{"a":1}\n{"b":2}\n',
        b'\xef\xbb\xbf[{"a":1},{"b":2}]',
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_arrays_and_lines_are_distinguished_compressed_or_not(tmp_path: Path, content: bytes, *, packed: bool) -> None:
    expected = [(1, {"a": 1}), (2, {"b": 2})]
    assert read_events(tmp_path, gzip.compress(content) if packed else content) == expected


def test_concatenated_gzip_files_are_read_to_the_end(tmp_path: Path) -> None:
    assert len(read_events(tmp_path, gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"b":2}\n'))) == 2


def test_an_object_over_several_lines_is_one_record(tmp_path: Path) -> None:
    assert read_events(tmp_path, b'{\n  "a": 1\n}\n') == [(1, {"a": 1})]


def test_an_array_as_the_first_of_many_lines_is_the_only_refused_line(tmp_path: Path) -> None:
    assert read_events(tmp_path, b'[1]\n{"a":1}\n') == [
        (1, "expected a JSON object, found an array"),
        (2, {"a": 1}),
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0), b"[]"])
def test_an_empty_source_has_no_records(tmp_path: Path, content: bytes) -> None:
    assert read_events(tmp_path, content) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "not JSON: expecting value at line 1, character 1"),
        (b'{"a":1', "not JSON: expecting ',' delimiter at line 1, character 7"),
        (b'{"a":1} x', "not JSON: extra data at line 1, character 9"),
        (b'{"a":"\xff"}', "not UTF-8: invalid start byte at byte 7"),
        (b"1", "expected a JSON object, found a number"),
        (b"null", "expected a JSON object, found nothing"),
        (b'{"a":1,"a":2}', "cannot be stored unchanged: the key 'a' occurs twice in one object"),
        (b'{"a":"\\u0000"}', "cannot be stored unchanged: holds the character U+0000"),
        (b'{"a":99999999999999999999}', "cannot be stored unchanged: holds an integer beyond 64 bits"),
        (b'{"a":' + b"9" * 5000 + b"}", "integer beyond 64 bits"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "cannot be stored unchanged: is nested deeper than 32 levels"),
        (b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}", "nested deeper than 32 levels"),
        (b'{"a":NaN}', "not JSON by RFC 8259"),
        (b'{"a":1e999}', "not JSON by RFC 8259"),
        (b'{"a":"\\ud800"}', "not JSON by RFC 8259"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason_and_the_others_are_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    first, bad, last = read_records(tmp_path, b'{"good":1}\n' + line + b'\n{"good":2}\n')
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert isinstance(bad, UnreadableRecord)
    assert (bad.line, bad.raw) == (2, line)
    assert reason in bad.reason


def test_a_line_over_the_limit_is_refused_and_the_next_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(read, "BUFFER_BYTES", 32)
    exact = json.dumps({"a": "x" * 91}).encode()
    bad, good, at_limit = read_records(tmp_path, b'{"a":"' + b"y" * 1000 + b'"}\n{"a":1}\n' + exact + b"\r\n")
    assert isinstance(bad, UnreadableRecord)
    assert (bad.line, len(bad.raw)) == (1, 100)
    assert "longer than 100 bytes" in bad.reason
    assert good == Record(2, {"a": 1}, b'{"a":1}')
    assert at_limit == Record(3, {"a": "x" * 91}, exact)


def test_an_array_over_the_limit_is_refused_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_DOCUMENT_BYTES", 10)
    (refused,) = read_events(tmp_path, b'[{"a":1},{"b":2}]')
    assert "jq -c" in str(refused[1])


def test_a_broken_array_is_refused_as_a_whole_with_the_position(tmp_path: Path) -> None:
    ((line, reason),) = read_events(tmp_path, b'[{"a":1},\n{"b":2]')
    assert line == 1
    assert str(reason).startswith("not JSON: expecting ',' delimiter at line 2, character 7; expected one JSON text")


def test_a_bad_element_of_an_array_is_refused_alone(tmp_path: Path) -> None:
    assert read_events(tmp_path, b'[{"a":1}, 7, {"b":2}]') == [
        (1, {"a": 1}),
        (2, "expected a JSON object, found a number"),
        (3, {"b": 2}),
    ]


@pytest.mark.parametrize("cut", [5, -3])
def test_damaged_gzip_data_yields_the_records_before_the_damage_and_reports_it(tmp_path: Path, cut: int) -> None:
    *whole, last = read_records(tmp_path, gzip.compress(b'{"a":1}\n' * 50_000)[:cut])
    assert isinstance(last, UnreadableRecord)
    assert "gzip data is damaged" in last.reason
    assert all(isinstance(record, Record) for record in whole)
    assert last.line == len(whole) + 1


def test_utf_16_is_named(tmp_path: Path) -> None:
    ((_, reason),) = read_events(tmp_path, '{"a":1}'.encode("utf-16"))
    assert "iconv" in str(reason)


def test_progress_is_counted_in_bytes_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "source.gz"
    file.write_bytes(gzip.compress(b'{"a":1}\n' * 1000))
    with read.open_source(str(file)) as source:
        assert (source.consumed_bytes, source.total_bytes) == (0, file.stat().st_size)
        assert len(list(source)) == 1000
        assert source.consumed_bytes == source.total_bytes


class Trickle(io.BytesIO):
    """A pipe that gives one byte at a time."""

    def readinto1(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        piece = self.read(1)
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("content", [b'{"a":1}\n{"b":2}\n', b'[{"a":1},{"b":2}]', b'{\n"Records":[{"a":1},{"b":2}]}'])
@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_may_arrive_in_the_smallest_pieces(content: bytes, *, packed: bool) -> None:
    pipe = Trickle(gzip.compress(content) if packed else content)
    with read.open_source("-", stdin=pipe) as source:
        assert source.total_bytes is None
        assert [record.line for record in source if isinstance(record, Record)] == [1, 2]
    assert not pipe.closed


@pytest.mark.parametrize("name", ["missing", ".", "nul\0byte"])
def test_an_unreadable_path_is_an_error_with_a_hint(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    with pytest.raises(InvalidRequest, match=re.escape("cannot read")) as caught, read.open_source(path):
        pass
    assert caught.value.hint is not None
