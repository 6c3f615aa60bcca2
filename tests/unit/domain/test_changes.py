"""What differs between two states."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from trenova.domain import changes
from trenova.domain.entry import Change

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=3)
)
KEYS = st.text(alphabet="ab/~.0", max_size=2)
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(KEYS, each, max_size=3), max_leaves=5
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=3)


def between(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    found = changes.between(before, after)
    assert found is not None
    return found


def keys(pointer: str) -> list[str]:
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def apply_changes(state: Any, found: list[Change]) -> Any:
    """`state` with the changes, done naively: values first, then additions in order, then removals from the end."""
    ordered = [change for change in found if change.op == "replace"]
    ordered += sorted((change for change in found if change.op == "add"), key=position_of)
    ordered += sorted((change for change in found if change.op == "remove"), key=position_of, reverse=True)
    for change in ordered:
        *way, last = keys(change.path)
        holder = state
        for key in way:
            holder = holder[int(key)] if isinstance(holder, list) else holder[key]
        if isinstance(holder, list):
            apply_to_list(holder, int(last), change)
        elif change.op == "remove":
            del holder[last]
        else:
            holder[last] = change.after
    return state


def position_of(change: Change) -> tuple[list[str], int]:
    *way, last = keys(change.path)
    return way, int(last) if last.isdecimal() and last.isascii() else -1


def apply_to_list(holder: list[Any], index: int, change: Change) -> None:
    if change.op == "add":
        holder.insert(index, change.after)
    elif change.op == "remove":
        del holder[index]
    else:
        holder[index] = change.after


def is_same_json(one: Any, other: Any) -> bool:
    """Equality of JSON: unlike Python's, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same_json, one, other))
    return bool(one == other) and isinstance(one, str) == isinstance(other, str)


def copy_value(value: Any) -> Any:
    return changes.map_scalars(value, lambda leaf: leaf)


@given(OBJECTS, OBJECTS)
def test_the_changes_lead_from_before_to_after(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert is_same_json(apply_changes(copy_value(before), between(before, after)), after)


@given(OBJECTS, st.data())
def test_the_changes_of_a_slightly_changed_state_lead_to_it(before: dict[str, Any], data: st.DataObject) -> None:
    after = copy_value(before)
    after[data.draw(st.sampled_from([*before, "new"]))] = data.draw(VALUES)
    found = between(before, after)
    assert is_same_json(apply_changes(copy_value(before), found), after)


@given(OBJECTS, OBJECTS)
def test_the_order_of_keys_makes_no_difference(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert between(before, after) == between(with_keys_reversed(before), with_keys_reversed(after))


def with_keys_reversed(value: Any) -> Any:
    """The same value with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: with_keys_reversed(item) for key, item in reversed(value.items())}
    return [with_keys_reversed(item) for item in value] if isinstance(value, list) else value


@given(OBJECTS)
def test_a_state_does_not_differ_from_itself(state: dict[str, Any]) -> None:
    assert between(state, copy_value(state)) == []


@given(OBJECTS, OBJECTS)
def test_every_change_holds_the_old_and_the_new_value(before: dict[str, Any], after: dict[str, Any]) -> None:
    for change in between(before, after):
        assert (change.before is UNSET) == (change.op == "add")
        assert (change.after is UNSET) == (change.op == "remove")


def one_change(before: Any, after: Any) -> Change:
    (change,) = between({"x": before}, {"x": after})
    return change


def test_true_differs_from_1_and_numbers_are_compared_exactly() -> None:
    assert one_change(before=True, after=1) == Change(path="/x", op="replace", before=True, after=1)
    assert one_change(2**53, 2**53 + 1).after == 2**53 + 1
    assert one_change(0.1, 0.1 + 1e-17 * 2).op == "replace"
    assert one_change("1", 1).op == "replace"
    assert one_change(None, after=False).op == "replace"
    assert between({"x": 1}, {"x": 1.0}) == []


def test_null_and_absent_are_distinguished() -> None:
    assert between({}, {"x": None}) == [Change(path="/x", op="add", after=None)]
    assert between({"x": None}, {}) == [Change(path="/x", op="remove", before=None)]


def test_paths_are_json_pointers_in_order() -> None:
    found = between({"a/b": {"~": [1, {"": 2}]}, "": 1}, {"a/b": {"~": [1, {"": 3}]}, "": 2})
    assert [change.path for change in found] == ["/", "/a~1b/~0/1/"]


def test_arrays_are_compared_position_by_position() -> None:
    found = between({"x": ["a", "b", "c"]}, {"x": ["b", "c"]})
    assert [(change.path, change.op) for change in found] == [
        ("/x/0", "replace"),
        ("/x/1", "replace"),
        ("/x/2", "remove"),
    ]
