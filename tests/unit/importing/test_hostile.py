"""For any JSON a map returns an entry within the limits, or raises MapError."""

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trenova.domain.entry import Draft
from trenova.importing.maps import MAPS, MapError

SAMPLES = Path(__file__).parents[2] / "data" / "importing"
EVENTS: dict[str, list[dict[str, Any]]] = {
    name: [msgspec.json.decode(line) for line in (SAMPLES / f"{name}.ndjson").read_bytes().splitlines()]
    for name in MAPS
    if name != "none"
}
EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "20"))
ACTION = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*")

texts = st.one_of(
    st.text(),
    st.sampled_from(["", " ", "\0", "\ud800", "a" * 513, "x" * 5000, "..", "É", "К", "\u212a", "2024-02-30T00:00:00Z"]),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1621305118553", "403", "9" * 30]),
)
numbers = st.one_of(st.integers(), st.sampled_from([2**64, -(2**70), 1621305118553]), st.floats(allow_nan=False))
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=12)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [here, *(place for key in value for place in paths(value[key], (*here, key)))]
    if isinstance(value, list):
        return [here, *(place for index in range(len(value)) for place in paths(value[index], (*here, index)))]
    return [here]


def replace_at(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    changed = value.copy()
    changed[place[0]] = replace_at(value[place[0]], place[1:], new)
    return changed


@st.composite
def damaged_event(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A recorded event with some of its values, at any depth, replaced by any JSON."""
    event: dict[str, Any] = draw(st.sampled_from(EVENTS[name]))
    for _ in range(draw(st.integers(1, 4))):
        event = replace_at(event, draw(st.sampled_from(paths(event)[1:] or [("x",)])), draw(values))
    return event


def check_entry_or_reason(name: str, event: dict[str, Any], tenant: str | None) -> None:
    try:
        entry = MAPS[name](event, tenant=tenant)
    except MapError as refusal:
        reason = refusal.reason
    else:
        check_limits(name, event, entry)
        assert MAPS[name](event, tenant=tenant) == entry
        return
    assert 0 < len(reason) < 500


def check_limits(name: str, event: dict[str, Any], entry: dict[str, Any]) -> None:
    if name == "none":
        return
    msgspec.json.decode(msgspec.json.encode(entry), type=Draft)
    assert ACTION.fullmatch(entry["action"])
    assert len(entry["action"]) <= 200
    assert b"\\u0000" not in msgspec.json.encode(entry).replace(b"\\\\", b"")
    assert entry["metadata"][name] == event


@pytest.mark.parametrize("name", list(MAPS))
@settings(max_examples=EXAMPLES, deadline=None)
@given(event=st.dictionaries(texts, values, max_size=6), tenant=st.sampled_from([None, "acme", "no tenant"]))
def test_any_object_gives_an_entry_or_a_reason(name: str, event: dict[str, Any], tenant: str | None) -> None:
    check_entry_or_reason(name, event, tenant)


@pytest.mark.parametrize("name", list(EVENTS))
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_a_damaged_event_gives_an_entry_or_a_reason(name: str, data: st.DataObject) -> None:
    check_entry_or_reason(name, data.draw(damaged_event(name)), None)


def valid_event(name: str) -> dict[str, Any]:
    """A recorded event that maps without an error."""
    return next(event for event in EVENTS.get(name, [{}]) if not is_refused(name, event))


def is_refused(name: str, event: dict[str, Any]) -> bool:
    try:
        MAPS[name](event, tenant=None)
    except MapError:
        return True
    return False


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\0", {"\0": 1}, "\ud800", {"\udfff": 1}])
@pytest.mark.parametrize("name", list(MAPS))
def test_a_value_that_cannot_be_stored_is_refused_wherever_it_is(name: str, value: object) -> None:
    with pytest.raises(MapError, match=r"beyond 64 bits|U\+0000|half a surrogate"):
        MAPS[name]({**valid_event(name), "more": [value]}, tenant=None)


@pytest.mark.parametrize("field", ["eventName", "more", "recipientAccountId", "eventTime", "eventID"])
def test_an_integer_too_long_for_text_is_refused(field: str) -> None:
    with pytest.raises(MapError):
        MAPS["cloudtrail"]({**valid_event("cloudtrail"), field: 10**5000}, tenant=None)


@pytest.mark.parametrize("name", list(MAPS))
def test_bottomless_nesting_is_refused(name: str) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(MapError, match="nested deeper than 32 levels"):
        MAPS[name]({**valid_event(name), "deep": deep}, tenant=None)
    while deep:  # one level at a time, as Python would free it recursively
        deep = deep.pop("a")
