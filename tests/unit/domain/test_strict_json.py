"""What is refused although JSON allows it, against a slow and simple search for the same."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trenova.domain import strict_json

MAX_NESTING = 5


class Pairs(list[tuple[str, Any]]):
    """An object with all its members, repeated ones too."""


def slow_problems(value: Any, depth: int = 1) -> set[str]:
    """Everything that is wrong with a value that was read with `Pairs`."""
    found: set[str] = set()
    if isinstance(value, Pairs):
        keys = [key for key, _ in value]
        found |= {"twice"} if len(set(keys)) < len(keys) else set()
        items = [*keys, *(item for _, item in value)]
    elif isinstance(value, list):
        items = value
    else:
        if isinstance(value, str) and "\0" in value:
            found.add("U+0000")
        if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value <= 2**64 - 1:
            found.add("64 bits")
        return found
    if depth > MAX_NESTING:
        found.add("deeper")
    return found.union(*(slow_problems(item, depth + 1) for item in items))


def check(text: str) -> str | None:
    raw = text.encode()
    encoded = msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
    return strict_json.problem(raw, encoded, max_nesting=MAX_NESTING)


def check_agreement(text: str) -> None:
    """The quick search finds something if and only if the slow one does, and then one of the same things."""
    expected = slow_problems(json.loads(text, object_pairs_hook=Pairs))
    try:
        found = check(text)
    except msgspec.DecodeError:
        return  # refused before: integers of hundreds of digits, halves of surrogate pairs
    if found is None:
        assert expected == set()
    else:
        assert any(each in found for each in expected), (found, expected)


def with_escapes(text: str, escapes: list[bool]) -> str:
    """A JSON string whose characters are escaped where `escapes` says so."""
    out = []
    for position, character in enumerate(text):
        if escapes[position % len(escapes)] and ord(character) < 0x10000:
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(json.dumps(character, ensure_ascii=False)[1:-1])
    return '"' + "".join(out) + '"'


# Few keys, so that they meet; with the signs that the quick search looks at.
STRINGS = st.builds(
    with_escapes,
    st.text(alphabet='a"\\u0é\0', max_size=3),
    st.lists(st.booleans(), min_size=1, max_size=3),
)
NUMBERS = st.sampled_from(
    ["0", "-1", "1e5", "1.5", str(2**63), str(2**64 - 1), str(2**64), str(-(2**63)), str(-(2**63) - 1), "9" * 30]
) | st.integers(-(2**70), 2**70).map(str)
TEXTS = st.recursive(
    st.sampled_from(["null", "true"]) | NUMBERS | STRINGS,
    lambda each: (
        st.lists(each, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(STRINGS, each), max_size=3).map(
            lambda members: "{" + ", ".join(f"{key} :{value}" for key, value in members) + "}"
        )
    ),
    max_leaves=12,
)


@given(TEXTS)
def test_the_quick_check_finds_the_same_as_a_slow_one(text: str) -> None:
    check_agreement(text)


@given(STRINGS, TEXTS, TEXTS)
def test_a_repeated_key_is_never_missed(key: str, one: str, other: str) -> None:
    for text in (f"{{{key}:{one},{key}:{other}}}", f'[1,{{"x":{{{key}:{one},"y":[{other}],{key}:{other}}}}}]'):
        try:
            found = check(text)
        except msgspec.DecodeError:
            continue
        assert found is not None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a":1,"a":1}', "the key 'a' occurs twice in one object"),
        ('{"a":1,"\\u0061":1}', "the key 'a' occurs twice in one object"),
        ('{"\\"":1,"\\u0022":1}', "the key '\"' occurs twice in one object"),
        ('{"x":"\\u0022\\u0022","b":1,"b":2}', "the key 'b' occurs twice in one object"),
        ('{"x":[{"y":{"b":1,"b":2}}]}', "the key 'b' occurs twice in one object"),
        ('{"a":{"a":{"a":1}}}', None),
        ('[{"a":1},{"a":1}]', None),
        ('{"a":"\\u0022"}', None),
        ('{"a":"\\\\u0000"}', None),
        ('{"a":"\\u0000"}', "holds the character U+0000"),
        ('{"\\u0000":1}', "holds the character U+0000"),
        ('{"a":"' + "9" * 40 + '"}', None),
        ('{"a":0.' + "1" * 40 + "}", None),
        ('{"a":' + "1" * 18 + "}", None),
        (f'{{"a":{2**64 - 1}}}', None),
        (f'{{"a":{2**64}}}', "holds an integer beyond 64 bits"),
        (f'{{"a":{-(2**63)}}}', None),
        (f'{{"a":{-(2**63) - 1}}}', "holds an integer beyond 64 bits"),
        ("[" * 5 + "]" * 5, None),
        ("[" * 6 + "]" * 6, "is nested deeper than 5 levels"),
        ('["' + "[" * 50 + '"]', None),
    ],
)
def test_examples(text: str, found: str | None) -> None:
    problem = check(text)
    assert problem == found or (problem is not None and found is not None and problem.startswith(found))
