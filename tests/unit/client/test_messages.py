"""Requests that can be sent again with the same effect, and answers that say what to do next."""

import uuid
from typing import Any

import httpx
import msgspec
import pytest

import trenova.client
from trenova.client import Answer, ApiError, Page, messages
from trenova.errors import EntryProblem, TrenovaError, Unavailable

ENTRY: dict[str, Any] = {
    "actor": {"type": "user", "id": "u-1"},
    "action": "shipment.update",
    "target": {"type": "shipment", "id": "s-1"},
}


def sent(call: messages.Call) -> list[dict[str, Any]]:
    assert call.content is not None
    return msgspec.json.decode(call.content, type=list[dict[str, Any]])


def refused(status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> TrenovaError:
    with pytest.raises(TrenovaError) as caught:
        messages.body_of(httpx.Response(status, content=content, headers=headers))
    return caught.value


def test_the_public_names_are_these() -> None:
    assert trenova.client.__all__ == ["Answer", "ApiError", "AsyncClient", "Client", "EntryAnswer", "Page"]
    assert all(hasattr(trenova.client, name) for name in trenova.client.__all__)


# Requests


def test_entries_without_an_id_get_one_each_that_sorts_by_time() -> None:
    first, second = sent(messages.add([ENTRY, ENTRY], wait=False, partial=False))
    ids = [uuid.UUID(entry["id"]) for entry in (first, second)]
    assert ids[0] < ids[1]
    assert {each.version for each in ids} == {7}
    assert {**first, "id": None} == {**ENTRY, "id": None}


def test_the_callers_entries_are_left_as_they_are() -> None:
    entry = dict(ENTRY)
    messages.add([entry], wait=False, partial=False)
    assert entry == ENTRY


def test_an_id_of_the_caller_is_sent_as_it_is_even_a_wrong_one() -> None:
    given = [str(uuid.uuid4()), "", "no uuid"]
    entries = sent(messages.add([{**ENTRY, "id": each} for each in given], wait=False, partial=False))
    assert [entry["id"] for entry in entries] == given


def test_an_id_of_null_is_none() -> None:
    (entry,) = sent(messages.add([{**ENTRY, "id": None}], wait=False, partial=False))
    assert uuid.UUID(entry["id"]).version == 7


@pytest.mark.parametrize(
    ("wait", "partial", "params"),
    [
        (False, False, {}),
        (True, False, {"wait": "stored"}),
        (False, True, {"partial": "true"}),
        (True, True, {"wait": "stored", "partial": "true"}),
    ],
)
def test_what_is_asked_for_is_in_the_parameters(
    wait: bool,  # noqa: FBT001 - an example
    partial: bool,  # noqa: FBT001
    params: dict[str, str],
) -> None:
    call = messages.add([ENTRY], wait=wait, partial=partial)
    assert (call.method, call.path, call.params) == ("POST", "/v1/entries", params)
    assert call.headers == {"Content-Type": "application/json"}


def test_filters_that_are_none_are_not_sent() -> None:
    call = messages.list_entries(
        {"actor": "u 1&x=y", "tenant": None, "from": "2026-01-01T00:00:00Z"}, cursor=None, limit=5
    )
    assert call.params == {"actor": "u 1&x=y", "from": "2026-01-01T00:00:00Z", "limit": "5"}
    assert call.headers == {}
    assert messages.list_entries({}, cursor="c", limit=5).params == {"limit": "5", "cursor": "c"}


def test_an_entry_is_read_by_its_id_and_by_nothing_else() -> None:
    entry_id = uuid.uuid4()
    assert messages.read_entry(entry_id) == messages.read_entry(str(entry_id).upper())
    with pytest.raises(ValueError, match="badly formed"):
        messages.read_entry("../metrics")


# Answers


def test_a_good_answer_is_its_body() -> None:
    assert messages.body_of(httpx.Response(202, content=b"{}")) == b"{}"


def test_an_answer_with_more_fields_than_known_is_read() -> None:
    answer = messages.decode(
        b'{"batch_id": "b", "new": 1, "entries": [{"id": "9f1c1f9e-27d5-4c50-8a55-0b1c54e61c6f", "state": "stored",'
        b' "index": 3, "duplicate": true, "proof": {}}]}',
        Answer,
    )
    (entry,) = answer.entries
    assert (entry.state, entry.index, entry.duplicate, entry.body_differs) == ("stored", 3, True, False)


def test_a_page_keeps_the_bytes_of_its_entries() -> None:
    page = messages.decode(b'{"entries": [{"b": 1,  "a": 1.0}], "next_cursor": null}', Page)
    assert [bytes(entry) for entry in page.entries] == [b'{"b": 1,  "a": 1.0}']


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"", b"[]", b'{"batch_id": 5}', b'{"batch_id": "\xff"}'])
def test_an_answer_that_is_none_of_ours_is_an_api_error(body: bytes) -> None:
    with pytest.raises(ApiError, match="not one of a Trenova API") as caught:
        messages.decode(body, Answer)
    assert caught.value.hint == "is the address right?"


def test_a_refusal_says_what_is_wrong_with_which_entry() -> None:
    error = refused(
        422,
        b'{"title": "Invalid entries", "status": 422, "detail": "1 of 2 entries are invalid", "hint": "look",'
        b' "errors": [{"index": 1, "field": "/action", "message": "is required"}]}',
    )
    assert isinstance(error, ApiError)
    assert (error.status, error.message, error.hint) == (422, "1 of 2 entries are invalid", "look")
    assert error.problems == (EntryProblem(index=1, field="/action", message="is required"),)
    assert not error.retryable


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 415, 422])
def test_what_does_not_pass_by_itself_is_an_api_error(status: int) -> None:
    assert isinstance(refused(status), ApiError)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_unavailable_and_may_be_sent_again(status: int) -> None:
    assert refused(status).retryable


def test_a_failure_of_the_server_is_told_with_the_id_that_its_operator_needs() -> None:
    assert refused(500, b'{"detail": "it failed", "request_id": "a-1"}').message == "it failed (request id a-1)"


def test_a_parked_entry_comes_back_with_its_reason() -> None:
    body = (
        b'{"batch_id":"b","entries":[{"id":"%b","state":"parked","reason":"a rule"}]}' % str(uuid.UUID(int=1)).encode()
    )
    response = httpx.Response(207, content=body)
    (answered,) = messages.decode(messages.body_of(response), Answer).entries
    assert (answered.state, answered.reason) == ("parked", "a rule")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("Wed, 21 Oct 2026 07:28:00 GMT", 1), ("-5", 1), ("", 1)])
def test_retry_after_is_taken_in_seconds(header: str, seconds: int) -> None:
    error = refused(503, headers={"Retry-After": header})
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize("content", [b"", b"<html>Bad Gateway</html>", b'"no"', b"{}", b'{"title": 5}', b"\xff\xfe"])
def test_an_error_that_is_no_problem_document_is_told_by_its_status(content: bytes) -> None:
    assert refused(502, content).message == "the server answered 502 Bad Gateway"
