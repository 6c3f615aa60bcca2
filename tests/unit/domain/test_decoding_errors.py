"""msgspec's complaints in words for the one who sent the entry."""

import json
from typing import Any

import msgspec
import pytest

from examples import entry
from trenova.domain import decoding_errors
from trenova.domain.entry import Draft


def problem_of(**fields: Any) -> tuple[str, str]:
    with pytest.raises(msgspec.ValidationError) as failure:
        msgspec.json.decode(json.dumps(entry(**fields)), type=Draft)
    return decoding_errors.field_and_problem(str(failure.value))


PARTY = {"type": "user", "id": "u"}


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"actor": 1}, "/actor", "expected an object, got an integer"),
        ({"actor": {"type": "user"}}, "/actor/id", "is required"),
        ({"actor": {**PARTY, "id": None}}, "/actor/id", "expected a string, got null"),
        ({"actor": {**PARTY, "name": 1}}, "/actor/name", "expected a string or null, got an integer"),
        ({"typo": 1}, "/typo", "is not a field of an entry"),
        ({"a/b~c": 1}, "/a~1b~0c", "is not a field of an entry"),
        ({"`x`\n": 1}, "/`x`\n", "is not a field of an entry"),
        ({"action": "X"}, "/action", "must be dotted lower-case words such as shipment.update, at most 200 characters"),
        (
            {"tenant": "a b"},
            "/tenant",
            "must be 1 to 128 of the characters A-Z a-z 0-9 . _ -, no dot first or last",
        ),
        (
            {"occurred_at": "2026-01-31T09:30:00"},
            "/occurred_at",
            "expected a time with an offset, such as 2026-01-31T09:30:00Z",
        ),
        ({"critical": "yes"}, "/critical", "expected true or false or null, got a string"),
        ({"metadata": []}, "/metadata", "expected an object or null, got an array"),
        ({"comment": ""}, "/comment", "expected a string of length >= 1"),
        ({"changes": [{"path": "", "op": "add"}, {"path": 1}]}, "/changes/1/path", "expected a string, got an integer"),
        ({"context": {"ip": 1}}, "/context", "expected a string, got an integer"),
    ],
)
def test_a_problem_names_the_field_and_what_was_expected(fields: dict[str, Any], field: str, message: str) -> None:
    assert problem_of(**fields) == (field, message)


def test_an_entry_that_is_not_an_object_has_the_empty_pointer() -> None:
    with pytest.raises(msgspec.ValidationError) as failure:
        msgspec.json.decode(b"17", type=Draft)
    assert decoding_errors.field_and_problem(str(failure.value)) == ("", "expected an object, got an integer")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("", ""),
        (".a", "/a"),
        (".a.b_c", "/a/b_c"),
        ("[3]", "/3"),
        (".changes[0].op", "/changes/0/op"),
        (".a[...].b", "/a"),
    ],
)
def test_a_path_of_msgspec_becomes_a_json_pointer(path: str, pointer: str) -> None:
    assert decoding_errors.json_pointer(path) == pointer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{x}", "object keys must be strings (byte 1)"),
        ('{"a":1', "it ends too early, or a string holds half a surrogate pair"),
        ('{"a":"\\udc00"}', "invalid utf-16 surrogate pair (byte 12)"),
        ("[1 2]", "expected ',' or ']' (byte 3)"),
    ],
)
def test_the_problem_of_broken_json_names_the_place(text: str, message: str) -> None:
    with pytest.raises(msgspec.DecodeError) as failure:
        msgspec.json.decode(text)
    assert decoding_errors.syntax_problem(failure.value) == message
