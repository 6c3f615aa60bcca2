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
from unit.ledger.logs import ORIGIN, SIGNER, STRANGER, Log, log

SIZE = 600  # two full tiles and a partial one
WHOLE: Log = log(SIZE)
FILE = WHOLE.evidence()
LINES = FILE.splitlines(keepends=True)


def check(data: bytes, *, known: tuple[bytes, ...] = (), key: signing.Signer | None = SIGNER) -> Verdict:
    keys = None if key is None else [key.key]
    return checking.check(io.BytesIO(data), check_signature=signing.check, keys=keys, known=known)


def named(verdict: Verdict) -> set[tuple[str, int | None]]:
    """Kind and index of every damage, ranges written out."""
    found: set[tuple[str, int | None]] = set()
    for damage in verdict.damages:
        if damage.first is None or damage.last is None:
            found.add((damage.kind, None))
        else:
            found |= {(damage.kind, index) for index in range(damage.first, damage.last + 1)}
    return found


def at(index: int) -> int:
    """The place in LINES of an entry's line: after the header and one line for each tile so far."""
    return 1 + index + index // 256 + 1


def damaged(*, change: Callable[[list[bytes]], object]) -> Verdict:
    lines = list(LINES)
    change(lines)
    return check(b"".join(lines))


def test_a_whole_file_holds() -> None:
    verdict = check(FILE)
    assert verdict.holds
    assert verdict.trusted_key
    assert (verdict.tenant, verdict.origin) == ("acme", ORIGIN)
    assert (verdict.size, verdict.root) == (SIZE, WHOLE.head(SIZE).root)
    assert (verdict.first, verdict.count, verdict.entries) == (0, SIZE, SIZE)
    assert check(gzip.compress(FILE)) == verdict


def test_a_file_proves_itself_without_a_key_but_says_so() -> None:
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
def test_logs_of_every_kind_of_size_hold(size: int) -> None:
    assert check(WHOLE.evidence(size=size)).holds


def test_a_file_of_an_empty_log_holds() -> None:
    assert check(log(0).evidence()).holds


def test_removed_bodies_are_counted_and_named() -> None:
    verdict = check(WHOLE.evidence(removed=(0, 7, 8, 9, 300)))
    assert verdict.holds
    assert verdict.removed == ((0, 0), (7, 9), (300, 300))


def test_the_exact_bytes_of_every_body_are_kept() -> None:
    assert b'"body_base64":""' in FILE
    assert b'"body_base64":"/wA="' in FILE
    assert WHOLE.entries[6][1] in FILE


def test_a_changed_body_is_named() -> None:
    verdict = damaged(change=lambda lines: lines.__setitem__(at(20), lines[at(20)].replace(b"shipment", b"shipmemt")))
    assert named(verdict) == {("changed", 20)}
    assert verdict.entries == SIZE - 1
    assert str(verdict.damages[0]).startswith("changed: entry 20, expected the commitment ")


def test_every_damage_of_many_is_named() -> None:
    def change(lines: list[bytes]) -> None:
        lines[at(20)] = lines[at(20)].replace(b"update", b"delete")
        lines[at(21)] = lines[at(21)].replace(b"update", b"delete")
        lines[at(400)] = lines[at(400)].replace(b"update", b"delete")
        lines[at(500)], lines[at(501)] = lines[at(501)], lines[at(500)]
        lines.insert(at(550), lines[at(550)])
        del lines[at(300)]

    verdict = damaged(change=change)
    assert named(verdict) == {
        ("changed", 20),
        ("changed", 21),
        ("missing", 300),
        ("changed", 400),
        ("misplaced", 500),
        ("misplaced", 501),
        ("inserted", 550),
    }
    assert (verdict.damages[0].first, verdict.damages[0].last) == (20, 21)


def test_contents_that_changed_places_are_named() -> None:
    def change(lines: list[bytes]) -> None:
        one, other = WHOLE.entries[30], WHOLE.entries[31]
        lines[at(30)] = encode_entry(Entry(index=30, salt=other[0], body=other[1]))
        lines[at(31)] = encode_entry(Entry(index=31, salt=one[0], body=one[1]))

    assert named(damaged(change=change)) == {("swapped", 30), ("swapped", 31)}


def test_lines_that_changed_places_across_tiles_are_named() -> None:
    def change(lines: list[bytes]) -> None:
        lines[at(10)], lines[at(300)] = lines[at(300)], lines[at(10)]

    assert named(damaged(change=change)) == {("misplaced", 10), ("misplaced", 300)}


def test_a_slipped_in_entry_is_named() -> None:
    extra = encode_entry(Entry(index=600, salt=bytes(16), body=b"{}"))
    assert named(damaged(change=lambda lines: lines.insert(-1, extra))) == {("inserted", 600)}


def test_an_entry_taken_out_with_the_numbers_closed_up_is_seen_from_there_to_the_end_of_its_tile() -> None:
    def change(lines: list[bytes]) -> None:
        for index in range(250, 255):
            salt, body = WHOLE.entries[index + 1]
            lines[at(index)] = encode_entry(Entry(index=index, salt=salt, body=body))
        del lines[at(255)]

    assert named(damaged(change=change)) == {("missing", 255), *(("swapped", index) for index in range(250, 255))}


@pytest.mark.parametrize("kept", [at(0) - 1, at(0), at(100), at(256) - 1, at(256), at(599), at(599) + 1])
def test_a_cut_tail_is_named_with_what_is_gone(kept: int) -> None:
    verdict = check(b"".join(LINES[:kept]))
    there = sum(line.startswith(b'{"index"') for line in LINES[:kept])
    expected: set[tuple[str, int | None]] = {("cut", index) for index in range(there, SIZE)}
    assert named(verdict) == expected or (there == SIZE and named(verdict) == {("cut", None)})


def test_a_cut_within_a_line_or_within_gzip_is_named() -> None:
    assert {kind for kind, _ in named(check(FILE[:-1]))} == {"unreadable", "cut"}
    packed = gzip.compress(FILE)
    for end in (len(packed) // 2, len(packed) - 9):
        assert "cut" in {kind for kind, _ in named(check(packed[:end]))}
    assert {kind for kind, _ in named(check(packed[:30]))} == {"header"}


def test_lines_after_the_end_are_named() -> None:
    assert [(one.kind, one.line) for one in check(FILE + LINES[at(1)]).damages] == [(Kind.INSERTED, len(LINES) + 1)]
    assert [(one.kind, one.line) for one in check(FILE + LINES[1]).damages] == [(Kind.INSERTED, len(LINES) + 1)]
    assert [(one.kind, one.line) for one in check(FILE + b"x").damages] == [(Kind.INSERTED, len(LINES) + 1)]


def test_whole_tiles_that_are_gone_twice_there_or_elsewhere_are_named() -> None:
    middle = LINES[at(256) - 1 : at(511) + 1]
    before, after = LINES[: at(256) - 1], LINES[at(511) + 1 :]
    gone = named(check(b"".join([*before, *after])))
    assert gone == {(kind, index) for kind in ("missing", "commitments") for index in range(256, 512)}
    twice = named(check(b"".join([*before, *middle, *middle, *after])))
    assert twice == {("inserted", index) for index in range(256, 512)}
    moved = named(check(b"".join([LINES[0], *middle, *before[1:], *after])))
    assert moved == {("misplaced", index) for index in range(512)}


def test_commitments_that_are_not_those_of_the_tree_are_named() -> None:
    """Body, salt and commitment changed together: the tile is wrong, and no other."""

    def change(lines: list[bytes]) -> None:
        other = log(601)
        line = json.loads(lines[at(256) - 1])
        line["commitments"] = json.loads(other.evidence().splitlines()[at(256) - 1])["commitments"]
        lines[at(256) - 1] = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        for index in range(256, 512):
            lines[at(index)] = encode_entry(other.entry(index))

    assert named(damaged(change=change)) == {("commitments", index) for index in range(256, 512)}


def test_unreadable_commitments_leave_their_entries_unproved_and_no_others() -> None:
    verdict = damaged(change=lambda lines: lines.__setitem__(at(256) - 1, b'{"tile":1}\n'))
    assert named(verdict) == {("unreadable", None), *(("commitments", index) for index in range(256, 512))}


def test_a_file_signed_by_another_key_is_refused() -> None:
    forged = WHOLE.evidence(signer=STRANGER, earlier=(300,))
    assert named(check(forged)) == {("signature", None)}
    assert check(forged, key=STRANGER).holds
    assert check(forged, key=None).holds


def test_a_head_of_another_size_is_named() -> None:
    def change(lines: list[bytes]) -> None:
        header = json.loads(lines[0])
        header["checkpoint"] = WHOLE.signed(500)
        lines[0] = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    kinds = {kind for kind, _ in named(damaged(change=change))}
    assert {"checkpoint", "trailer"} <= kinds


def test_a_trailer_with_another_head_or_count_is_named() -> None:
    def swap(lines: list[bytes]) -> None:
        trailer = {"end": True, "entries": SIZE - 1, "checkpoint": WHOLE.signed(500)}
        lines[-1] = json.dumps(trailer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    assert [damage.kind for damage in damaged(change=swap).damages] == [Kind.TRAILER, Kind.TRAILER]


def test_an_older_file_is_found_out_by_a_newer_checkpoint() -> None:
    older = WHOLE.evidence(size=500)
    assert check(older, known=(WHOLE.signed(500).encode(),)).holds
    assert named(check(older, known=(WHOLE.signed(600).encode(),))) == {("older", None)}


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 599, 600])
def test_a_whole_log_continues_every_checkpoint_that_was_kept(size: int) -> None:
    assert check(FILE, known=(WHOLE.signed(size).encode(),)).holds


def test_another_history_is_found_out() -> None:
    other = log(601).signed(300).encode()
    assert named(check(FILE, known=(other,))) == {("inconsistent", None)}
    assert named(check(WHOLE.evidence(first=590, earlier=(300,)), known=(other,))) == {("inconsistent", None)}


def test_a_part_of_the_log_needs_a_consistency_proof_to_continue_a_checkpoint() -> None:
    kept = WHOLE.signed(300).encode()
    assert named(check(WHOLE.evidence(first=590), known=(kept,))) == {("unproved", None)}
    assert check(WHOLE.evidence(first=590, earlier=(300,)), known=(kept,)).holds
    assert named(check(FILE, known=(WHOLE.signed(300, STRANGER).encode(), b"", b"\xff"))) == {
        ("signature", None),
        ("checkpoint", None),
    }


def test_an_earlier_checkpoint_without_its_proof_is_named() -> None:
    data = WHOLE.evidence(first=590, earlier=(300,))
    header = json.loads(data.splitlines()[0])
    header["earlier"][0]["consistency"].pop()
    line = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    assert named(check(line + data[data.index(b"\n") :])) == {("inconsistent", None)}


def test_numbers_that_only_the_file_claims_cost_nothing() -> None:
    header = json.loads(LINES[0])
    header["count"] = (1 << 63) - 1
    for checkpoint in (header["checkpoint"], "none"):
        header["checkpoint"] = checkpoint
        line = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert not check(line + b"\n" + LINES[-1]).holds
        assert not check(line + b"\n").holds


@pytest.mark.parametrize("piece", [reader.MAX_PIECE_BYTES, 10_000])
def test_processes_share_the_work_and_come_to_the_same(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
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
    assert named(check(broken)) == {("changed", 77), ("changed", 577)}


SMALL = log(12).evidence(first=3, count=6, removed=(7,), earlier=(5,))


def test_no_byte_of_a_file_can_be_changed() -> None:
    for place, byte in enumerate(SMALL):
        for other in {byte ^ (1, 0x20)[place % 2], (0x20, 0x0A, byte ^ 0x20)[place % 3]} - {byte}:
            assert not check(SMALL[:place] + bytes([other]) + SMALL[place + 1 :]).holds, place


def test_no_piece_of_a_file_is_a_file() -> None:
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


def test_a_writer_refuses_what_would_not_prove() -> None:
    header = Header(tenant="acme", origin=ORIGIN, keys=(), first=0, count=2, checkpoint=WHOLE.signed(1))
    with pytest.raises(ValueError, match="go beyond"):
        write.start(header)
    header = Header(tenant="acme", origin=ORIGIN, keys=(), first=0, count=2, checkpoint=WHOLE.signed(2))
    path = prove.hashes(prove.tile_spans(0, 2), WHOLE.read)
    for entries in ([0], [1, 0], [0, 2], [0, 1, 2]):
        part = Section(tile=0, commitments=WHOLE.commitments[:2], path=path, entries=[WHOLE.entry(i) for i in entries])
        with pytest.raises(ValueError, match=r"entries of tile 0|the sections end"):
            list(write.pieces(header, [part]))
    with pytest.raises(ValueError, match="salt has 0 bytes"):
        encode_entry(Entry(index=0))
