"""From the text of an entry to its one canonical form."""

import json
import tracemalloc
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import RECEIVED_AT, entry, seal
from trenova.config import KIB, LimitSettings
from trenova.domain import intake
from trenova.errors import EntryProblem

ACME = intake.RequestContext(received_at=RECEIVED_AT, tenant="acme")


def check(*entries: dict[str, Any], circumstances: intake.RequestContext = ACME) -> intake.CheckResult:
    return intake.check([json.dumps(each).encode() for each in entries], circumstances, LimitSettings())


def seal_to_dict(raw: dict[str, Any] | bytes, limits: LimitSettings | None = None) -> dict[str, Any]:
    """The fields of the sealed entry."""
    text = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    fields: dict[str, Any] = json.loads(intake.seal(text, 0, ACME, limits or LimitSettings()).body)
    return fields


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_whole_canonical_form() -> None:
    id_ = "0199a0c0-0000-7000-8000-000000000001"
    sent = b"""{
        "target": {"id": "s-1", "type": "shipment", "name": null},
        "id": "0199A0C0-0000-7000-8000-000000000001", "metadata": {"b": 1.50, "a": {"d": null, "c": "\\u00fc"}},
        "action": "shipment.update", "occurred_at": "2026-01-31T10:00:00.5+02:00",
        "actor": {"type": "user", "id": "u-1"}
    }"""
    assert intake.seal(sent, 0, ACME, LimitSettings()).body == (
        b'{"action":"shipment.update","actor":{"id":"u-1","type":"user"},"id":"' + id_.encode() + b'",'
        b'"metadata":{"a":{"c":"\xc3\xbc","d":null},"b":1.5},"occurred_at":"2026-01-31T08:00:00.500000Z",'
        b'"outcome":"success","received_at":"2026-02-01T12:30:15.123456Z",'
        b'"target":{"id":"s-1","type":"shipment"},"tenant":"acme"}'
    )


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | WORDS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(WORDS, each, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(WORDS, JSON_VALUES, max_size=4))
def test_canonical_bytes_are_sorted_without_white_space_and_have_the_same_meaning(metadata: dict[str, Any]) -> None:
    body = seal("acme", metadata=metadata).body
    assert json.loads(body)["metadata"] == metadata
    # Keys are sorted by their UTF-8 bytes, which is the order of their characters.
    assert body == canonical(json.loads(body))


@given(st.permutations(list(entry(id=str(uuid.UUID(int=7)), comment="x", critical=False).items())))
def test_the_order_of_the_fields_makes_no_difference(items: list[tuple[str, Any]]) -> None:
    assert seal_to_dict(dict(items)) == seal_to_dict(dict(sorted(items)))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00Z"),
        ("2026-01-31T23:30:00-01:00", "2026-02-01T00:30:00Z"),
        ("2026-01-31T10:00:00.123456Z", "2026-01-31T10:00:00.123456Z"),
        ("2026-01-31T10:00:00.1Z", "2026-01-31T10:00:00.100000Z"),
        ("2026-01-31 10:00:00z", "2026-01-31T10:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_kept_in_utc_to_the_microsecond(sent: str, kept: str) -> None:
    assert seal_to_dict(entry(occurred_at=sent))["occurred_at"] == kept


def test_digits_after_the_microseconds_are_rounded() -> None:
    assert (
        seal_to_dict(entry(occurred_at="2026-01-31T10:00:00.1234567Z"))["occurred_at"] == "2026-01-31T10:00:00.123457Z"
    )


@given(st.datetimes(timezones=st.timezones()))
def test_a_time_means_the_same_moment_before_and_after(time: datetime) -> None:
    try:
        moment = time.astimezone(UTC)
    except OverflowError:
        return
    offset = time.utcoffset()
    if offset is None or offset.total_seconds() % 60:
        return  # RFC 3339 writes offsets in minutes
    kept = seal_to_dict(entry(occurred_at=time.isoformat()))["occurred_at"]
    assert datetime.fromisoformat(kept) == moment


def test_an_entry_without_a_time_occurred_when_it_was_received() -> None:
    fields = seal_to_dict(entry())
    assert fields["occurred_at"] == fields["received_at"] == "2026-02-01T12:30:15.123456Z"


def test_null_in_an_optional_field_means_absent_and_nulls_inside_objects_stay() -> None:
    optional = ("id", "tenant", "occurred_at", "outcome", "before", "after", "changes", "context", "comment")
    nulls = dict.fromkeys((*optional, "metadata", "critical"))
    assert seal_to_dict(entry(**nulls)).keys() == seal_to_dict(entry()).keys()
    assert seal_to_dict(entry(metadata={"a": None}))["metadata"] == {"a": None}


def test_false_and_empty_values_are_kept() -> None:
    fields = seal_to_dict(entry(critical=False, metadata={}, context={}, changes=[], before={}))
    assert [fields[name] for name in ("critical", "metadata", "context", "changes", "before")] == [
        False,
        {},
        {},
        [],
        {},
    ]


def test_an_id_of_the_caller_is_kept_and_an_absent_one_sorts_by_time() -> None:
    given_id = uuid.uuid4()
    assert seal("acme", id=str(given_id)).id == given_id
    made = [seal("acme").id for _ in range(100)]
    assert made == sorted(made)
    assert {each.version for each in made} == {7}


def test_an_idempotency_key_makes_ids_that_depend_on_tenant_key_and_position_alone() -> None:
    def ids(tenant: str, key: str) -> list[uuid.UUID]:
        circumstances = intake.RequestContext(received_at=RECEIVED_AT, tenant=tenant, idempotency_key=key)
        return [each.id for _, each in check(entry(), entry(), circumstances=circumstances).sealed]

    assert ids("acme", "k") == ids("acme", "k")
    every = [*ids("acme", "k"), *ids("acme", "other"), *ids("globex", "k")]
    assert len(set(every)) == len(every)
    # These ids are known to the world: they must be the same in every release.
    assert ids("acme", "order 17")[0] == uuid.uuid5(
        uuid.UUID("6f1d1f5e-3a0b-5c55-9d0e-7c1f4a0c6b11"), "acme\norder 17\n0"
    )


def test_changes_are_computed_only_when_both_states_and_no_changes_are_sent() -> None:
    assert seal_to_dict(entry(before={"a": 1}, after={"a": 2}))["changes"] == [
        {"after": 2, "before": 1, "op": "replace", "path": "/a"}
    ]
    assert "changes" not in seal_to_dict(entry(before={"a": 1}))
    assert seal_to_dict(entry(before={"a": 1}, after={"a": 2}, changes=[]))["changes"] == []


def test_every_invalid_entry_is_listed_and_the_valid_ones_keep_their_positions() -> None:
    checked = check(entry(), entry(action="BAD"), entry(), entry(actor=1), entry())
    assert [index for index, _ in checked.sealed] == [0, 2, 4]
    assert [(each.index, each.field) for each in checked.problems] == [(1, "/action"), (3, "/actor")]


def test_one_id_twice_is_a_problem_in_one_tenant_only() -> None:
    anybody = intake.RequestContext(received_at=RECEIVED_AT, tenant=None)
    same = str(uuid.uuid4())
    sent = [entry(id=same, tenant=tenant) for tenant in ("acme", "globex", "acme")]
    checked = check(*sent, circumstances=anybody)
    assert [index for index, _ in checked.sealed] == [0, 1]
    assert checked.problems == [EntryProblem(index=2, field="/id", message="is also the id of entry 0 of this request")]


def test_the_tenant_is_optional_with_a_key_for_one_tenant_and_required_with_a_key_for_any() -> None:
    anybody = intake.RequestContext(received_at=RECEIVED_AT, tenant=None)
    assert [each.tenant for _, each in check(entry(), entry(tenant="acme")).sealed] == ["acme", "acme"]
    assert [each.field for each in check(entry(tenant="globex")).problems] == ["/tenant"]
    assert [each.tenant for _, each in check(entry(tenant="globex"), circumstances=anybody).sealed] == ["globex"]
    assert [each.field for each in check(entry(), circumstances=anybody).problems] == ["/tenant"]


SMALL = LimitSettings(maxEntryBytes=4 * KIB)


def problem_of(raw: bytes, limits: LimitSettings) -> str:
    (problem,) = intake.check([raw], ACME, limits).problems
    return f"{problem.field} {problem.message}"


def test_an_entry_is_measured_as_it_was_sent() -> None:
    text = json.dumps(entry()).encode()
    assert seal_to_dict(text + b" " * (4 * KIB - len(text)), SMALL)
    assert "has 4,097 bytes, the limit for one entry is 4,096" in problem_of(
        text + b" " * (4 * KIB + 1 - len(text)), SMALL
    )


def test_computed_changes_that_make_an_entry_too_large_are_omitted() -> None:
    before, after = ({f"k{n}": value for n in range(150)} for value in (0, 1))
    big = json.dumps(entry(before=before, after=after)).encode()
    assert len(big) < 4 * KIB
    assert "changes" in seal_to_dict(big)
    fields = seal_to_dict(big, SMALL)
    assert "changes" not in fields
    assert fields["changes_omitted"] is True
    assert (fields["before"], fields["after"]) == (before, after)


def test_only_the_server_marks_changes_as_omitted() -> None:
    assert "changes_omitted" not in seal_to_dict(entry(before={"a": 1}, after={"a": 2}))
    (problem,) = check(entry(changes_omitted=True)).problems
    assert (problem.field, problem.message) == ("/changes_omitted", "is not a field of an entry")


@pytest.mark.parametrize("key", ["k" * 5000, "k" * 70_000])
def test_changes_whose_paths_repeat_a_long_key_are_not_even_computed(key: str) -> None:
    """Six thousand paths of 70,000 characters took 800 MB."""
    text = json.dumps(entry(before={key: [0] * 6000}, after={key: [1] * 6000})).encode()
    tracemalloc.start()
    fields = json.loads(intake.seal(text, 0, ACME, LimitSettings()).body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (fields["changes_omitted"], "changes" in fields) == (True, False)
    assert peak < 30 * 1024 * KIB


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":[' + b"{}," * 87_000 + b"{}]}",
        b'{"a":[' + b"0," * 130_000 + b"0]}",
        b'{"a":' + b"[" * 130_000,
        b'{"a":"' + b"\\u0000" * 43_000 + b'"}',
        b'{"a":' + b"9" * 260_000 + b"}",
        b"{" + b",".join(b'"%x":0' % number for number in range(25_000)) + b"}",
    ],
    ids=["objects", "numbers", "arrays", "zero characters", "digits", "keys"],
)
def test_the_canonical_size_of_the_largest_entry_is_bounded(text: bytes) -> None:
    raw = json.dumps(entry(metadata=0)).encode().replace(b'"metadata": 0', b'"metadata":' + text)
    tracemalloc.start()
    intake.check([raw[: 256 * KIB]], ACME, LimitSettings())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 1024 * KIB


def test_problems_are_listed_up_to_a_limit_and_then_only_counted() -> None:
    checked = check(*[entry(action="BAD")] * 1200, entry())
    assert (len(checked.problems), checked.bad, len(checked.sealed)) == (1000, 1200, 1)
    assert checked.problems[-1].index == 999


def test_a_problem_quotes_a_key_in_part() -> None:
    long = "k" * 100_000
    fields = {"an unknown field": {long: 1}, "a repeated key": {"metadata": 0}}
    raws = [json.dumps(entry(**each)).encode() for each in fields.values()]
    raws[1] = raws[1].replace(b'"metadata": 0', f'"metadata":{{"{long}":1,"{long}":2}}'.encode())
    for problem in intake.check(raws, ACME, LimitSettings()).problems:
        assert len(problem.field) + len(problem.message) < 1000


def test_changes_that_the_client_sends_are_never_omitted() -> None:
    # Each is a number that is short as it is sent and long as it is written out.
    numbers = ",".join(["1e15"] * 700)
    changes = b'[{"path":"/a","op":"add","after":[' + numbers.encode() + b"]}]"
    text = json.dumps(entry(changes=0)).encode().replace(b'"changes": 0', b'"changes":' + changes)
    assert len(text) < 4 * KIB
    assert "bytes in canonical form, the limit is 8,192" in problem_of(text, SMALL)


def test_nesting_is_counted_from_the_entry_itself() -> None:
    def entry_nested(levels: int) -> bytes:
        inner = b'{"a":' * (levels - 1) + b"1" + b"}" * (levels - 1)
        return json.dumps(entry(metadata=0)).encode().replace(b'"metadata": 0', b'"metadata":' + inner)

    limits = LimitSettings(maxNesting=6)
    assert seal_to_dict(entry_nested(6), limits)
    assert "deeper than 6 levels" in problem_of(entry_nested(7), limits)
    assert "deeper than 6 levels" in problem_of(entry_nested(10_000), limits)


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"17", b"[]", b"\xff", b'{"actor":"\xff"}', b"{}" * 2])
def test_any_text_that_is_not_an_entry_is_listed_and_raises_nothing(raw: bytes) -> None:
    assert problem_of(raw, LimitSettings())


@given(st.binary())
def test_no_bytes_raise_an_error(raw: bytes) -> None:
    assert len(intake.check([raw], ACME, LimitSettings()).problems) == 1
