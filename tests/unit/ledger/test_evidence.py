"""Evidence files: whole ones hold, and of damaged ones every damaged place is named."""

import gzip
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trenova.ledger import prove, signing
from trenova.ledger.evidence import check as checking
from trenova.ledger.evidence import reader, write
from trenova.ledger.evidence.lines import Entry, Header, encode_entry
from trenova.ledger.evidence.verdict import Kind, Verdict
from trenova.ledger.evidence.write import Section
from unit.ledger.sample_ledgers import ORIGIN, SIGNER, STRANGER, SampleLedger, sample_ledger

SIZE = 600  # two full tiles and a partial one
WHOLE: SampleLedger = sample_ledger(SIZE)
FILE = WHOLE.evidence()
LINES = FILE.splitlines(keepends=True)


def check(data: bytes, *, known: tuple[bytes, ...] = (), key: signing.Signer | None = SIGNER) -> Verdict:
    keys = None if key is None else [key.key]
    return checking.check(io.BytesIO(data), check_signature=signing.check, keys=keys, known=known)


def kinds_and_indexes(verdict: Verdict) -> set[tuple[str, int | None]]:
    """Kind and index of every damage, ranges written out."""
    found: set[tuple[str, int | None]] = set()
    for damage in verdict.damages:
        if damage.first is None or damage.last is None:
            found.add((damage.kind, None))
        else:
            found |= {(damage.kind, index) for index in range(damage.first, damage.last + 1)}
    return found


def line_of(index: int) -> int:
    """The place in LINES of an entry's line: after the header and one line for each tile so far."""
    return 1 + index + index // 256 + 1


def check_changed(*, change: Callable[[list[bytes]], object]) -> Verdict:
    lines = list(LINES)
    change(lines)
    return check(b"".join(lines))


def test_a_whole_file_is_proved() -> None:
    verdict = check(FILE)
    assert verdict.holds
    assert verdict.trusted_key
    assert (verdict.tenant, verdict.origin) == ("acme", ORIGIN)
    assert (verdict.size, verdict.root) == (SIZE, WHOLE.head(SIZE).root)
    assert (verdict.first, verdict.count, verdict.entries) == (0, SIZE, SIZE)
    assert check(gzip.compress(FILE)) == verdict


def test_a_file_checked_without_a_key_is_consistent_and_not_proved() -> None:
    verdict = check(FILE, key=None)
    assert verdict.holds
    assert not verdict.trusted_key


@pytest.mark.parametrize(
    ("first", "count"), [(0, 0), (0, 1), (599, 1), (10, 3), (255, 2), (256, 256), (100, 450), (300, 0), (600, 0)]
)
def test_a_part_of_the_log_is_proved_against_its_whole(first: int, count: int) -> None:
    verdict = check(WHOLE.evidence(first=first, count=count, earlier=(0, 1, 300, 600)))
    assert verdict.holds
    assert (verdict.size, verdict.entries) == (SIZE, count)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512])
def test_ledgers_of_every_kind_of_size_are_proved(size: int) -> None:
    assert check(WHOLE.evidence(size=size)).holds


def test_a_file_of_an_empty_ledger_is_proved() -> None:
    assert check(sample_ledger(0).evidence()).holds


def test_removed_bodies_are_counted_and_listed() -> None:
    verdict = check(WHOLE.evidence(removed=(0, 7, 8, 9, 300)))
    assert verdict.holds
    assert verdict.removed == ((0, 0), (7, 9), (300, 300))


def test_the_exact_bytes_of_every_body_are_kept() -> None:
    assert b'"body_base64":""' in FILE
    assert b'"body_base64":"/wA="' in FILE
    assert WHOLE.entries[6][1] in FILE


def test_a_changed_body_is_reported() -> None:
    verdict = check_changed(
        change=lambda lines: lines.__setitem__(line_of(20), lines[line_of(20)].replace(b"shipment", b"shipmemt"))
    )
    assert kinds_and_indexes(verdict) == {("changed", 20)}
    assert verdict.entries == SIZE - 1
    assert str(verdict.damages[0]).startswith("changed: entry 20, expected the commitment ")


def test_every_damage_of_many_is_reported() -> None:
    def change(lines: list[bytes]) -> None:
        lines[line_of(20)] = lines[line_of(20)].replace(b"update", b"delete")
        lines[line_of(21)] = lines[line_of(21)].replace(b"update", b"delete")
        lines[line_of(400)] = lines[line_of(400)].replace(b"update", b"delete")
        lines[line_of(500)], lines[line_of(501)] = lines[line_of(501)], lines[line_of(500)]
        lines.insert(line_of(550), lines[line_of(550)])
        del lines[line_of(300)]

    verdict = check_changed(change=change)
    assert kinds_and_indexes(verdict) == {
        ("changed", 20),
        ("changed", 21),
        ("missing", 300),
        ("changed", 400),
        ("misplaced", 500),
        ("misplaced", 501),
        ("inserted", 550),
    }
    assert (verdict.damages[0].first, verdict.damages[0].last) == (20, 21)


def test_swapped_contents_are_reported() -> None:
    def change(lines: list[bytes]) -> None:
        one, other = WHOLE.entries[30], WHOLE.entries[31]
        lines[line_of(30)] = encode_entry(Entry(index=30, salt=other[0], body=other[1]))
        lines[line_of(31)] = encode_entry(Entry(index=31, salt=one[0], body=one[1]))

    assert kinds_and_indexes(check_changed(change=change)) == {("swapped", 30), ("swapped", 31)}


def test_lines_swapped_across_tiles_are_reported() -> None:
    def change(lines: list[bytes]) -> None:
        lines[line_of(10)], lines[line_of(300)] = lines[line_of(300)], lines[line_of(10)]

    assert kinds_and_indexes(check_changed(change=change)) == {("misplaced", 10), ("misplaced", 300)}


def test_an_inserted_entry_is_reported() -> None:
    extra = encode_entry(Entry(index=600, salt=bytes(16), body=b"{}"))
    assert kinds_and_indexes(check_changed(change=lambda lines: lines.insert(-1, extra))) == {("inserted", 600)}


def test_a_removed_entry_with_renumbered_successors_is_reported_to_the_end_of_its_tile() -> None:
    def change(lines: list[bytes]) -> None:
        for index in range(250, 255):
            salt, body = WHOLE.entries[index + 1]
            lines[line_of(index)] = encode_entry(Entry(index=index, salt=salt, body=body))
        del lines[line_of(255)]

    assert kinds_and_indexes(check_changed(change=change)) == {
        ("missing", 255),
        *(("swapped", index) for index in range(250, 255)),
    }


@pytest.mark.parametrize(
    "kept", [line_of(0) - 1, line_of(0), line_of(100), line_of(256) - 1, line_of(256), line_of(599), line_of(599) + 1]
)
def test_a_truncated_file_is_reported_with_the_entries_that_it_lacks(kept: int) -> None:
    verdict = check(b"".join(LINES[:kept]))
    there = sum(line.startswith(b'{"index"') for line in LINES[:kept])
    expected: set[tuple[str, int | None]] = {("cut", index) for index in range(there, SIZE)}
    assert kinds_and_indexes(verdict) == expected or (there == SIZE and kinds_and_indexes(verdict) == {("cut", None)})


def test_a_file_truncated_within_a_line_or_within_gzip_is_reported() -> None:
    assert {kind for kind, _ in kinds_and_indexes(check(FILE[:-1]))} == {"unreadable", "cut"}
    packed = gzip.compress(FILE)
    for end in (len(packed) // 2, len(packed) - 9):
        assert "cut" in {kind for kind, _ in kinds_and_indexes(check(packed[:end]))}
    assert {kind for kind, _ in kinds_and_indexes(check(packed[:30]))} == {"header"}


def test_lines_after_the_end_are_reported() -> None:
    assert [(one.kind, one.line) for one in check(FILE + LINES[line_of(1)]).damages] == [
        (Kind.INSERTED, len(LINES) + 1)
    ]
    assert [(one.kind, one.line) for one in check(FILE + LINES[1]).damages] == [(Kind.INSERTED, len(LINES) + 1)]
    assert [(one.kind, one.line) for one in check(FILE + b"x").damages] == [(Kind.INSERTED, len(LINES) + 1)]


def test_missing_duplicate_and_misplaced_tiles_are_reported() -> None:
    middle = LINES[line_of(256) - 1 : line_of(511) + 1]
    before, after = LINES[: line_of(256) - 1], LINES[line_of(511) + 1 :]
    gone = kinds_and_indexes(check(b"".join([*before, *after])))
    assert gone == {(kind, index) for kind in ("missing", "commitments") for index in range(256, 512)}
    twice = kinds_and_indexes(check(b"".join([*before, *middle, *middle, *after])))
    assert twice == {("inserted", index) for index in range(256, 512)}
    moved = kinds_and_indexes(check(b"".join([LINES[0], *middle, *before[1:], *after])))
    assert moved == {("misplaced", index) for index in range(512)}


def test_commitments_that_do_not_match_the_tree_are_reported() -> None:
    """Body, salt and commitment changed together: the tile is wrong, and no other."""

    def change(lines: list[bytes]) -> None:
        other = sample_ledger(601)
        line = json.loads(lines[line_of(256) - 1])
        line["commitments"] = json.loads(other.evidence().splitlines()[line_of(256) - 1])["commitments"]
        lines[line_of(256) - 1] = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        for index in range(256, 512):
            lines[line_of(index)] = encode_entry(other.entry(index))

    assert kinds_and_indexes(check_changed(change=change)) == {("commitments", index) for index in range(256, 512)}


def test_unreadable_commitments_leave_their_entries_unproved_and_no_others() -> None:
    verdict = check_changed(change=lambda lines: lines.__setitem__(line_of(256) - 1, b'{"tile":1}\n'))
    assert kinds_and_indexes(verdict) == {("unreadable", None), *(("commitments", index) for index in range(256, 512))}


def test_a_file_signed_by_another_key_is_not_proved() -> None:
    forged = WHOLE.evidence(signer=STRANGER, earlier=(300,))
    assert kinds_and_indexes(check(forged)) == {("signature", None)}
    assert check(forged, key=STRANGER).holds
    assert check(forged, key=None).holds


def test_a_head_of_another_size_is_reported() -> None:
    def change(lines: list[bytes]) -> None:
        header = json.loads(lines[0])
        header["checkpoint"] = WHOLE.signed_checkpoint(500)
        lines[0] = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    kinds = {kind for kind, _ in kinds_and_indexes(check_changed(change=change))}
    assert {"checkpoint", "trailer"} <= kinds


def test_a_trailer_with_another_head_or_count_is_reported() -> None:
    def swap(lines: list[bytes]) -> None:
        trailer = {"end": True, "entries": SIZE - 1, "checkpoint": WHOLE.signed_checkpoint(500)}
        lines[-1] = json.dumps(trailer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    assert [damage.kind for damage in check_changed(change=swap).damages] == [Kind.TRAILER, Kind.TRAILER]


def test_a_newer_checkpoint_reveals_an_older_file() -> None:
    older = WHOLE.evidence(size=500)
    assert check(older, known=(WHOLE.signed_checkpoint(500).encode(),)).holds
    assert kinds_and_indexes(check(older, known=(WHOLE.signed_checkpoint(600).encode(),))) == {("older", None)}


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 599, 600])
def test_a_whole_ledger_continues_every_earlier_checkpoint(size: int) -> None:
    assert check(FILE, known=(WHOLE.signed_checkpoint(size).encode(),)).holds


def test_another_history_is_reported() -> None:
    other = sample_ledger(601).signed_checkpoint(300).encode()
    assert kinds_and_indexes(check(FILE, known=(other,))) == {("inconsistent", None)}
    assert kinds_and_indexes(check(WHOLE.evidence(first=590, earlier=(300,)), known=(other,))) == {
        ("inconsistent", None)
    }


def test_a_part_of_the_log_needs_a_consistency_proof_to_continue_a_checkpoint() -> None:
    kept = WHOLE.signed_checkpoint(300).encode()
    assert kinds_and_indexes(check(WHOLE.evidence(first=590), known=(kept,))) == {("unproved", None)}
    assert check(WHOLE.evidence(first=590, earlier=(300,)), known=(kept,)).holds
    assert kinds_and_indexes(check(FILE, known=(WHOLE.signed_checkpoint(300, STRANGER).encode(), b"", b"\xff"))) == {
        ("signature", None),
        ("checkpoint", None),
    }


def test_an_earlier_checkpoint_without_its_proof_is_reported() -> None:
    data = WHOLE.evidence(first=590, earlier=(300,))
    header = json.loads(data.splitlines()[0])
    header["earlier"][0]["consistency"].pop()
    line = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    assert kinds_and_indexes(check(line + data[data.index(b"\n") :])) == {("inconsistent", None)}


def test_huge_sizes_that_a_file_claims_cost_nothing() -> None:
    header = json.loads(LINES[0])
    header["count"] = (1 << 63) - 1
    for checkpoint in (header["checkpoint"], "none"):
        header["checkpoint"] = checkpoint
        line = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert not check(line + b"\n" + LINES[-1]).holds
        assert not check(line + b"\n").holds


@pytest.mark.parametrize("piece", [reader.MAX_PIECE_BYTES, 10_000])
def test_several_processes_come_to_the_same_verdict(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """In pieces, and, where a tile is larger than a piece may be, line by line."""
    monkeypatch.setattr(reader, "BLOB_BYTES", 20_000)
    broken = FILE.replace(b'"index":77,"pad', b'"index":78,"pad').replace(b'"index":577,"pad', b'"index":578,"pad')
    for data in (FILE, broken):
        alone = check(data)
        monkeypatch.setattr(reader, "MAX_PIECE_BYTES", piece)
        assert check(data) == alone
        shared = checking.check(io.BytesIO(data), check_signature=signing.check, keys=[SIGNER.key], processes=2)
        assert shared == alone
        monkeypatch.undo()
        monkeypatch.setattr(reader, "BLOB_BYTES", 20_000)
    assert kinds_and_indexes(check(broken)) == {("changed", 77), ("changed", 577)}


SMALL = sample_ledger(12).evidence(first=3, count=6, removed=(7,), earlier=(5,))


def test_no_byte_of_a_file_can_be_changed() -> None:
    for place, byte in enumerate(SMALL):
        for other in {byte ^ (1, 0x20)[place % 2], (0x20, 0x0A, byte ^ 0x20)[place % 3]} - {byte}:
            assert not check(SMALL[:place] + bytes([other]) + SMALL[place + 1 :]).holds, place


def test_no_part_of_a_file_is_a_valid_file() -> None:
    for end in range(0, len(SMALL), 7):
        assert not check(SMALL[:end]).holds
        assert not check(SMALL[end + 1 :]).holds


@given(st.data())
@settings(max_examples=150)
def test_whatever_a_file_holds_there_is_a_verdict(data: st.DataObject) -> None:
    lines = list(SMALL.splitlines(keepends=True))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines)))
        junk = data.draw(
            st.one_of(
                st.binary(max_size=30),
                st.sampled_from(
                    [*lines, b'{"tile":', b'{"end":', b"[" * 5000, b'{"tile":' + b"[" * 5000, b'"\\ud800"']
                ),
            )
        )
        lines.insert(place, junk + data.draw(st.sampled_from([b"\n", b""])))
    assert check(b"".join(lines)).holds is (b"".join(lines) == SMALL)


def test_the_writer_does_not_write_an_invalid_file() -> None:
    header = Header(tenant="acme", origin=ORIGIN, keys=(), first=0, count=2, checkpoint=WHOLE.signed_checkpoint(1))
    with pytest.raises(ValueError, match="exceed the tree"):
        write.start(header)
    header = Header(tenant="acme", origin=ORIGIN, keys=(), first=0, count=2, checkpoint=WHOLE.signed_checkpoint(2))
    path = prove.hashes(prove.tile_spans(0, 2), WHOLE.read)
    for entries in ([0], [1, 0], [0, 2], [0, 1, 2]):
        part = Section(tile=0, commitments=WHOLE.commitments[:2], path=path, entries=[WHOLE.entry(i) for i in entries])
        with pytest.raises(ValueError, match=r"entries of tile 0|the sections end"):
            list(write.pieces(header, [part]))
    with pytest.raises(ValueError, match="salt has 0 bytes"):
        encode_entry(Entry(index=0))
