"""What the worker takes: the bytes that the API seals, and nothing else."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import RECEIVED_AT, seal
from trenova.config import KIB, LimitSettings
from trenova.domain import intake, seal_check
from trenova.domain.entry import Entry

ID = "0199a0c0-0000-7000-8000-000000000001"
BODY = seal(
    "acme",
    id=ID,
    occurred_at="2026-01-31T10:00:00Z",
    before={"a": 1, "b": [1, {"c": 2.5}]},
    after={"a": 2},
    context={"ip": "::1"},
    comment="Grüße",
    metadata={"x": {"y": [None, True]}},
    critical=False,
).body
FIELDS: dict[str, Any] = json.loads(BODY)


def canonical(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read(body: bytes, *, now: datetime = RECEIVED_AT, limits: LimitSettings | None = None) -> Entry:
    return seal_check.read_sealed(body, seal_check.Rules(limits=limits or LimitSettings(), now=now))


def code(body: bytes, **rules: Any) -> str:
    with pytest.raises(seal_check.UnsealedBody) as refused:
        read(body, **rules)
    assert refused.value.reason
    return refused.value.code


def nest(levels: int) -> Any:
    return {} if levels == 1 else {"a": nest(levels - 1)}


def seal_again(body: bytes) -> bytes:
    """What the API makes of the entry, sent as it was sealed."""
    fields = json.loads(body)
    received_at = datetime.fromisoformat(fields.pop("received_at"))
    fields.pop("changes_omitted", None)
    context = intake.RequestContext(received_at=received_at, tenant=None)
    return intake.seal(json.dumps(fields).encode(), 0, context, LimitSettings()).body


def test_a_sealed_entry_is_accepted_and_would_be_sealed_to_the_same_bytes() -> None:
    assert read(BODY).id == uuid.UUID(ID)
    assert seal_again(BODY) == BODY


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e300, 1e300) | WORDS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(WORDS, each, max_size=3),
    max_leaves=6,
)
STATES = st.dictionaries(WORDS, VALUES, max_size=3)


@given(STATES, STATES, STATES)
def test_every_entry_that_the_api_seals_is_accepted(before: Any, after: Any, metadata: Any) -> None:
    body = seal("acme", before=before, after=after, metadata=metadata).body
    read(body)
    assert seal_again(body) == body


@given(st.integers(0, len(BODY) - 1), st.binary(max_size=2))
def test_a_body_with_a_changed_byte_is_invalid_or_exactly_what_the_api_would_seal(place: int, other: bytes) -> None:
    changed = BODY[:place] + other + BODY[place + 1 :]
    try:
        read(changed, now=RECEIVED_AT)
    except seal_check.UnsealedBody:
        return
    assert seal_again(changed) == changed


NOT_CANONICAL = {
    "white space": json.dumps(FIELDS, sort_keys=True).encode(),
    "a line end": BODY + b"\n",
    "another order": json.dumps(dict(reversed(FIELDS.items())), separators=(",", ":"), ensure_ascii=False).encode(),
    "a repeated tenant": BODY.replace(b'"tenant":"acme"', b'"tenant":"evil","tenant":"acme"'),
    "a repeated key inside": BODY.replace(b'"y":', b'"y":0,"y":'),
    "an unknown field": BODY.replace(b'"tenant":', b'"tenanu":1,"tenant":'),
    "an unknown field of the actor": BODY.replace(b'"name":"Ada"', b'"mail":"x","name":"Ada"'),
    "an escaped letter": BODY.replace("ü".encode(), b"\\u00fc"),
    "an upper-case id": BODY.replace(ID.encode(), b"0199A0C0-0000-7000-8000-000000000001"),
    "a number with more digits": BODY.replace(b"2.5", b"2.50"),
    "a time elsewhere": BODY.replace(b"2026-01-31T10:00:00Z", b"2026-01-31T12:00:00+02:00"),
    "a time of receipt elsewhere": BODY.replace(b"2026-02-01T12:30:15.123456Z", b"2026-02-01T14:30:15.123456+02:00"),
    "a time with zeros": BODY.replace(b"10:00:00Z", b"10:00:00.000000Z"),
    "a time without an offset": BODY.replace(b"10:00:00Z", b"10:00:00"),
    "a field that is null": BODY.replace(b'"comment":"Gr\xc3\xbc\xc3\x9fe"', b'"comment":null'),
    "a surrogate": BODY.replace("ü".encode(), b"\xed\xa0\x80"),
    "no outcome": canonical({name: value for name, value in FIELDS.items() if name != "outcome"}),
    "no object": b"[]",
    "nothing": b"",
    "a hundred thousand arrays": b"[" * 100_000,
}
REFUSED_FIELDS: dict[str, dict[str, Any]] = {
    "an action in capitals": {"action": "Shipment.Update"},
    "an action with a line end": {"action": "a.b\n"},
    "an action that is too long": {"action": "a" * 201},
    "a tenant with a space": {"tenant": "a b"},
    "a tenant with a line end": {"tenant": "acme\n"},
    "the tenant .": {"tenant": "."},
    "the tenant ..": {"tenant": ".."},
    "a tenant that is hidden": {"tenant": ".lock"},
    "a tenant that is cut short": {"tenant": "acme."},
    "an empty tenant": {"tenant": ""},
    "a tenant that is too long": {"tenant": "x" * 129},
    "an actor without an id": {"actor": {"type": "user"}},
    "an empty actor id": {"actor": {"id": "", "type": "user"}},
    "an actor id that is too long": {"actor": {"id": "x" * 513, "type": "user"}},
    "an unknown outcome": {"outcome": "ok"},
    "an id that is no UUID": {"id": "17"},
    "before that is an array": {"before": []},
    "metadata that is a string": {"metadata": "x"},
    "context that is a number": {"context": {"ip": 1}},
    "an empty comment": {"comment": ""},
    "a comment that is too long": {"comment": "x" * 8193},
    "critical that is a word": {"critical": "yes"},
    "changes that are an object": {"changes": {}},
    "a change without op": {"changes": [{"path": "/a"}]},
    "a change of an unknown kind": {"changes": [{"op": "move", "path": "/a"}]},
    "a path that is no pointer": {"changes": [{"op": "add", "path": "a"}]},
    "a path that is too long": {"changes": [{"op": "add", "path": "/" + "x" * 4096}]},
    "an unknown field of a change": {"changes": [{"from": "/b", "op": "add", "path": "/a"}]},
    "changes that are left out and there": {"changes_omitted": True},
    "changes that are not left out": {"changes_omitted": False},
    "33 levels": {"metadata": nest(32)},
    "33 levels of arrays": {"metadata": {"a": json.loads("[" * 31 + "]" * 31)}},
    "34 levels in a change": {"changes": [{"after": nest(31), "op": "add", "path": "/a"}]},
    "an integer beyond 64 bits": {"metadata": {"n": 2**64}},
    "a negative integer beyond 64 bits": {"metadata": {"n": -(2**63) - 1}},
    "too many bytes": {"metadata": {"x": "y" * 512 * KIB}},
}


@pytest.mark.parametrize("case", NOT_CANONICAL)
def test_any_other_form_is_invalid(case: str) -> None:
    assert NOT_CANONICAL[case] != BODY
    assert code(NOT_CANONICAL[case]) == "not_sealed"


@pytest.mark.parametrize("case", REFUSED_FIELDS)
def test_an_entry_that_the_api_rejects_is_invalid_in_canonical_form_too(case: str) -> None:
    assert code(canonical({**FIELDS, **REFUSED_FIELDS[case]})) == "not_sealed"


@pytest.mark.parametrize("field", ["comment", "actor", "metadata"])
def test_a_zero_character_is_invalid_and_the_text_of_its_escape_is_not(field: str) -> None:
    def body(text: str) -> bytes:
        value: Any = {"comment": text, "actor": {"id": text, "type": "user"}, "metadata": {text: [text]}}[field]
        return msgspec.json.encode({**FIELDS, field: value}, order="sorted")

    assert code(body("a\0b")) == "not_sealed"
    read(body("a\\u0000b"))


def test_the_largest_entry_that_the_api_accepts_is_accepted() -> None:
    for fields in (
        {"metadata": nest(31)},
        {"metadata": {"most": 2**64 - 1, "least": -(2**63)}},
        {"before": nest(31), "after": {"a": {"b": nest(28)}}},
        {"metadata": {str(number): 1e15 for number in range(8_000)}},
    ):
        read(seal("acme", **fields).body)


def test_the_limits_are_those_of_the_api() -> None:
    small = LimitSettings.model_validate({"maxEntryBytes": 4 * KIB, "maxNesting": 5})
    assert code(canonical({**FIELDS, "metadata": {"x": "y" * 8 * KIB}}), limits=small) == "not_sealed"
    assert code(canonical({**FIELDS, "metadata": nest(5)}), limits=small) == "not_sealed"
    read(canonical({**FIELDS, "metadata": nest(4)}), limits=small)


@pytest.mark.parametrize(
    ("received_at", "good"),
    [
        (RECEIVED_AT, True),
        (RECEIVED_AT - timedelta(days=2000), True),
        (RECEIVED_AT + timedelta(minutes=9), True),
        (RECEIVED_AT + timedelta(minutes=11), False),
        (RECEIVED_AT.replace(year=9999), False),
        (RECEIVED_AT.replace(year=1970), False),
        (RECEIVED_AT.replace(year=1), False),
    ],
)
def test_an_impossible_time_of_receipt_is_invalid_for_now(received_at: datetime, good: bool) -> None:  # noqa: FBT001
    body = seal("acme", received_at=received_at).body
    if good:
        read(body)
    else:
        assert code(body) == "clock"


def test_an_entry_received_in_the_future_is_accepted_once_its_time_has_come() -> None:
    body = seal("acme", received_at=RECEIVED_AT + timedelta(days=3)).body
    assert code(body) == "clock"
    read(body, now=RECEIVED_AT + timedelta(days=3))


def test_any_time_of_occurrence_is_valid() -> None:
    for time in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        read(seal("acme", occurred_at=time).body)


def test_omitted_changes_must_be_marked_as_omitted() -> None:
    long = "k" * 5000
    fields = json.loads(seal("acme", before={long: 1}, after={long: 2}).body)
    assert (fields["changes_omitted"], "changes" in fields) == (True, False)
    read(canonical(fields))
    for missing in ("before", "after"):
        assert code(canonical({name: value for name, value in fields.items() if name != missing})) == "not_sealed"


def test_a_body_of_an_earlier_release_with_unmarked_omitted_changes_is_accepted() -> None:
    fields = json.loads(seal("acme", before={"a": 1}, after={"a": 2}).body)
    del fields["changes"]
    read(canonical(fields))
