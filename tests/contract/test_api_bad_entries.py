"""Bodies and entries that are not accepted get their documented answer, and nothing of them is stored."""

import json
import uuid
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.requests import GOOD, JSON, NDJSON, post, problem
from examples import entry


def object_with_levels(levels: int) -> Any:
    """An object with so many levels, including itself."""
    return {} if levels == 1 else {"a": object_with_levels(levels - 1)}


def with_text(old: bytes, new: bytes) -> bytes:
    """A valid entry with one piece of its text replaced."""
    whole = json.dumps(entry(comment="here", metadata={"a": 1})).encode()
    assert old in whole
    return whole.replace(old, new)


UNREADABLE = {
    "an empty body": (b"", "expected a JSON object or an array"),
    "white space": (b" \n\t ", "expected a JSON object or an array"),
    "null": (b"null", "expected a JSON object or an array"),
    "a number": (b"17", "expected a JSON object or an array"),
    "a string": (b'"entry"', "expected a JSON object or an array"),
    "an empty array": (b"[]", "holds no entries"),
    "a syntax error in an object": (b'{"actor": tru}', "byte 11"),
    "a syntax error in an array": (b"[" + GOOD + b", {'a'}]", "byte "),
    "an object that ends too early": (GOOD[:-1], "ends too early"),
    "an array that ends too early": (b"[" + GOOD, "ends too early"),
    "more after the object": (GOOD + b" x", "byte "),
    "two objects": (GOOD + GOOD, "byte "),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, "expected a JSON object or an array"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "expected a JSON object or an array"),
    "NaN": (with_text(b"1}", b"NaN}"), "byte "),
    "Infinity": (with_text(b"1}", b"-Infinity}"), "byte "),
    "half a surrogate pair": (with_text(b"here", rb"\ud83d"), "byte "),
    "a raw control character": (with_text(b"here", b"\x07"), "byte "),
    "a comment": (b"{/* */}", "byte "),
    "a hundred thousand arrays": (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    "a hundred thousand objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_a_body_that_cannot_be_read_is_a_400_that_says_where(
    api: httpx.AsyncClient, nothing_stored: None, case: str
) -> None:
    content, message = UNREADABLE[case]
    document = problem(await post(api, content), 400)
    assert message in document["detail"]
    assert "errors" not in document


PARTY = {"type": "user", "id": "u"}
# Fields of the entry (... removes one), the field that the problem must name, and a part of its message.
BAD_FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no actor": ({"actor": ...}, "/actor", "is required"),
    "no action": ({"action": ...}, "/action", "is required"),
    "no target": ({"target": ...}, "/target", "is required"),
    "no actor type": ({"actor": {"id": "u"}}, "/actor/type", "is required"),
    "no target id": ({"target": {"type": "t"}}, "/target/id", "is required"),
    "an unknown field": ({"actr": 1}, "/actr", "is not a field of an entry"),
    "an unknown field of the actor": ({"actor": {**PARTY, "mail": "x"}}, "/actor/mail", "is not a field"),
    "an unknown field with signs": ({"a/b~c": 1}, "/a~1b~0c", "is not a field"),
    "a field that the server sets": ({"received_at": "2026-01-01T00:00:00Z"}, "/received_at", "is not a field"),
    "an actor that is a string": ({"actor": "ada"}, "/actor", "expected an object"),
    "an actor that is null": ({"actor": None}, "/actor", "expected an object"),
    "an actor id that is a number": ({"actor": {"type": "user", "id": 1}}, "/actor/id", "a string"),
    "an empty actor id": ({"actor": {"type": "user", "id": ""}}, "/actor/id", "length >= 1"),
    "an empty target type": ({"target": {"type": "", "id": "s"}}, "/target/type", "length >= 1"),
    "an actor id that is too long": ({"actor": {"type": "user", "id": "x" * 513}}, "/actor/id", "length <= 512"),
    "an empty actor name": ({"actor": {**PARTY, "name": ""}}, "/actor/name", "length >= 1"),
    "an empty action": ({"action": ""}, "/action", "dotted lower-case words"),
    "an action in capitals": ({"action": "Shipment.Update"}, "/action", "dotted lower-case words"),
    "an action with a line feed": ({"action": "a.b\n"}, "/action", "dotted lower-case words"),
    "an action that is too long": ({"action": "a" * 201}, "/action", "200"),
    "an unknown outcome": ({"outcome": "ok"}, "/outcome", "ok"),
    "an id that is no UUID": ({"id": "17"}, "/id", "UUID"),
    "a tenant that is too long": ({"tenant": "x" * 129}, "/tenant", "128"),
    "an empty tenant": ({"tenant": ""}, "/tenant", "128"),
    "a tenant with a line feed": ({"tenant": "acme\n"}, "/tenant", "128"),
    "a time without an offset": ({"occurred_at": "2026-01-31T09:30:00"}, "/occurred_at", "offset"),
    "a date": ({"occurred_at": "2026-01-31"}, "/occurred_at", "RFC3339"),
    "a time as a number": ({"occurred_at": 1_769_851_800}, "/occurred_at", "expected"),
    "the 30th of February": ({"occurred_at": "2026-02-30T00:00:00Z"}, "/occurred_at", "RFC3339"),
    "a time before the year 1": ({"occurred_at": "0001-01-01T00:00:00+01:00"}, "/occurred_at", "year 1"),
    "a time after the year 9999": ({"occurred_at": "9999-12-31T23:59:59-01:00"}, "/occurred_at", "9999"),
    "before that is an array": ({"before": []}, "/before", "object"),
    "metadata that is a string": ({"metadata": "x"}, "/metadata", "object"),
    "changes that are an object": ({"changes": {}}, "/changes", "array"),
    "a change without op": ({"changes": [{"path": "/a"}]}, "/changes/0/op", "is required"),
    "a change of an unknown kind": ({"changes": [{"path": "/a", "op": "move"}]}, "/changes/0/op", "move"),
    "a path that is no JSON Pointer": ({"changes": [{"path": "a", "op": "add"}]}, "/changes/0/path", "regex"),
    "context that is a number": ({"context": {"ip": 1}}, "/context", "a string"),
    "an empty comment": ({"comment": ""}, "/comment", "length >= 1"),
    "a comment that is too long": ({"comment": "x" * 8193}, "/comment", "length <= 8192"),
    "critical that is a word": ({"critical": "yes"}, "/critical", "true or false"),
    "U+0000": ({"comment": "a\0b"}, "", "U+0000"),
    "U+0000 in a key": ({"metadata": {"a\0b": 1}}, "", "U+0000"),
    "33 levels": ({"metadata": object_with_levels(32)}, "", "deeper than 32 levels"),
    "an integer beyond 64 bits": ({"metadata": {"n": 2**64}}, "", "64 bits"),
    "a negative integer beyond 64 bits": ({"metadata": {"n": -(2**63) - 1}}, "", "64 bits"),
    "an entry that is too large": ({"metadata": {"x": "y" * 256 * 1024}}, "", "262,144"),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
async def test_a_bad_field_is_a_422_that_names_it(api: httpx.AsyncClient, nothing_stored: None, case: str) -> None:
    changes, field, message = BAD_FIELDS[case]
    bad = {name: value for name, value in {**entry(), **changes}.items() if value is not ...}
    document = problem(await api.post("/v1/entries", json=[entry(), bad]), 422)
    (found,) = document["errors"]
    assert (found["index"], found["field"]) == (1, field)
    assert message in found["message"]
    assert "1 of 2" in document["detail"]


BAD_TEXTS = {
    "a key that occurs twice": (with_text(b'"comment"', b'"action":"a.b","comment"'), "the key 'action' occurs twice"),
    "a nested key that occurs twice": (with_text(b"1}", b'1,"b":{"c":1,"c":1}}'), "the key 'c' occurs twice"),
    "a key that occurs twice by an escape": (with_text(b"1}", b'1,"\\u0061":2}'), "the key 'a' occurs twice"),
    "a key with an escaped mark twice": (with_text(b"1}", b'1,"\\u0022":2,"\\"":3}'), "occurs twice"),
    "an unknown key that occurs twice": (with_text(b"1}", b'1,"x":"\\u0022","x":1}'), "occurs twice"),
    "five thousand digits": (with_text(b"1}", b"9" * 5000 + b"}"), "64 bits"),
    "five thousand digits below zero": (with_text(b"1}", b"-" + b"9" * 5000 + b"}"), "64 bits"),
    "a number that is infinite": (with_text(b"1}", b"1e400}"), "out of range"),
    "U+0000 by an escape": (with_text(b"here", b"\\u0000"), "U+0000"),
    "bytes that are no UTF-8": (with_text(b"here", b"\xff"), "UTF-8"),
    "a surrogate in UTF-8": (with_text(b"here", b"\xed\xa0\x80"), "UTF-8"),
    "a time with a lower-case t and a leap second": (
        with_text(b'"comment"', b'"occurred_at":"2026-12-31t23:59:60Z","comment"'),
        "RFC3339",
    ),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
async def test_json_that_parsers_read_differently_is_an_error(
    api: httpx.AsyncClient, nothing_stored: None, case: str
) -> None:
    content, message = BAD_TEXTS[case]
    for wrapped, content_type in ((content, JSON), (b"[" + content + b"]", JSON), (content + b"\n", NDJSON)):
        document = problem(await post(api, wrapped, content_type), 422)
        (found,) = document["errors"]
        assert found["index"] == 0
        assert message in found["message"]


async def test_every_bad_entry_is_named(api: httpx.AsyncClient, nothing_stored: None) -> None:
    body = [entry() if index % 3 else entry(action="BAD") for index in range(100)]
    document = problem(await api.post("/v1/entries", json=body), 422)
    assert [each["index"] for each in document["errors"]] == list(range(0, 100, 3))
    assert {each["field"] for each in document["errors"]} == {"/action"}
    assert "34 of 100" in document["detail"]


async def test_a_list_of_bad_entries_is_cut_and_says_how_many_more_there_are(
    api: httpx.AsyncClient, nothing_stored: None
) -> None:
    document = problem(await api.post("/v1/entries", json=[entry(action="BAD")] * 3000), 422)
    assert len(document["errors"]) + document["more_errors"] == 3000
    assert len(document["errors"]) == 1000
    long = {"k" * 200 + "\x01" * 1000: 1}
    response = await api.post("/v1/entries", json=[entry(**long)] * 2000)
    document = problem(response, 422)
    assert len(document["errors"]) + document["more_errors"] == 2000
    assert len(response.content) < 300 * 1024


async def test_a_list_of_invalid_entries_of_a_partial_request_is_cut_too(api: httpx.AsyncClient) -> None:
    body = [entry(), *[entry(action="BAD")] * 1500]
    answer = (await api.post("/v1/entries?partial=true", json=body)).json()
    assert (len(answer["entries"]), len(answer["errors"]), answer["more_errors"]) == (1, 1000, 500)


async def test_every_bad_line_is_named_by_its_place_among_the_entries(
    api: httpx.AsyncClient, nothing_stored: None
) -> None:
    lines = [GOOD, b"", b"{broken", GOOD, b"17", b"\xff", b"[" * 100_000, b"null"]
    document = problem(await post(api, b"\r\n".join(lines), NDJSON), 422)
    assert [each["index"] for each in document["errors"]] == [1, 3, 4, 5, 6]
    assert "not valid JSON" in document["errors"][0]["message"]


async def test_a_partial_request_with_only_bad_entries_is_an_error(
    api: httpx.AsyncClient, nothing_stored: None
) -> None:
    document = problem(await api.post("/v1/entries?partial=true", json=[entry(action="BAD")] * 2), 422)
    assert [each["index"] for each in document["errors"]] == [0, 1]


async def test_two_entries_with_one_id_in_a_request_are_an_error(api: httpx.AsyncClient, nothing_stored: None) -> None:
    same = uuid.uuid4()
    body = [entry(id=str(same)), entry(), entry(id=same.hex.upper())]
    document = problem(await api.post("/v1/entries", json=body), 422)
    assert [(each["index"], each["field"]) for each in document["errors"]] == [(2, "/id")]
    assert "entry 0" in document["errors"][0]["message"]


async def test_thirty_two_levels_and_64_bits_and_the_longest_texts_are_accepted(api: httpx.AsyncClient) -> None:
    good = [
        entry(metadata=object_with_levels(31)),
        entry(metadata={"most": 2**64 - 1, "least": -(2**63)}),
        entry(action="a" * 200, actor={"type": "x" * 128, "id": "\U0001f30d" * 512}, comment="x" * 8192),
        entry(occurred_at="0001-01-01T00:00:00Z"),
        entry(occurred_at="9999-12-31T23:59:59.999999Z"),
        entry(comment="\\u0000 is written out"),
    ]
    response = await api.post("/v1/entries?wait=stored", json=good)
    assert response.status_code == 201, response.text
    found = (await api.get("/v1/entries")).json()["entries"]
    assert len(found) == len(good)


def anything(*, of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(of, lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4))


JSON_VALUES = anything(of=st.none() | st.booleans() | st.integers() | st.floats() | st.text())
ALMOST_ENTRIES = st.fixed_dictionaries(
    {name: st.just(value) | JSON_VALUES for name, value in entry().items()},
    optional=dict.fromkeys(
        ("id", "tenant", "occurred_at", "before", "after", "changes", "context", "metadata", "critical"), JSON_VALUES
    ),
)
BODIES = (
    st.binary()
    | JSON_VALUES.map(json.dumps).map(str.encode)
    | st.lists(ALMOST_ENTRIES, max_size=3).map(json.dumps).map(str.encode)
)


@given(content=BODIES, content_type=st.sampled_from([JSON, NDJSON]))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_no_body_causes_a_server_error(api: httpx.AsyncClient, content: bytes, content_type: str) -> None:
    response = await post(api, content, content_type)
    if response.status_code != 202:
        assert response.status_code in {400, 422}, response.text
        problem(response, response.status_code)
