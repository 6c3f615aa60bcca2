"""Requests that can be repeated with the same effect, and answers that say what to do next."""

import subprocess
import sys
import time
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


def entries_in(call: messages.Call) -> list[dict[str, Any]]:
    assert call.content is not None
    return msgspec.json.decode(call.content, type=list[dict[str, Any]])


def error_of(status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> TrenovaError:
    with pytest.raises(TrenovaError) as caught:
        messages.body_of(httpx.Response(status, content=content, headers=headers))
    return caught.value


def test_the_public_names_are_these() -> None:
    assert trenova.client.__all__ == ["Answer", "ApiError", "AsyncClient", "Client", "EntryAnswer", "Page"]
    assert all(hasattr(trenova.client, name) for name in trenova.client.__all__)


def test_the_client_loads_nothing_else_of_the_project() -> None:
    program = "import sys, trenova.client; print(*(name for name in sys.modules if name.startswith('trenova.')))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    others = {name for name in ended.stdout.split() if not f"{name}.".startswith("trenova.client.")}
    assert others == {"trenova.errors"}


# Requests


def test_entries_without_an_id_get_one_each_that_sorts_by_time() -> None:
    first, second = entries_in(messages.add([ENTRY, ENTRY], wait=False, partial=False))
    ids = [uuid.UUID(entry["id"]) for entry in (first, second)]
    assert ids[0] < ids[1]
    assert {each.version for each in ids} == {7}
    assert {**first, "id": None} == {**ENTRY, "id": None}


def test_an_id_is_a_uuid_of_version_7_and_of_this_moment() -> None:
    ids = [uuid.UUID(each) for each in messages.new_ids(1_000)]
    assert ids == sorted(set(ids))
    assert {(each.version, each.variant) for each in ids} == {(7, uuid.RFC_4122)}
    assert abs((ids[0].int >> 80) / 1000 - time.time()) < 10
    # The example of RFC 9562, appendix A.6.
    random = 0xCC3 << 62 | 0x18C4DC0C0C07398F
    assert str(messages.uuid7(0x017F22E279B0, random)) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_the_callers_entries_are_not_modified() -> None:
    entry = dict(ENTRY)
    messages.add([entry], wait=False, partial=False)
    assert entry == ENTRY


def test_an_id_of_the_caller_is_sent_unchanged_even_an_invalid_one() -> None:
    ids = [str(uuid.uuid4()), "", "no uuid"]
    entries = entries_in(messages.add([{**ENTRY, "id": each} for each in ids], wait=False, partial=False))
    assert [entry["id"] for entry in entries] == ids


def test_an_id_of_null_counts_as_no_id() -> None:
    (entry,) = entries_in(messages.add([{**ENTRY, "id": None}], wait=False, partial=False))
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
def test_wait_and_partial_become_parameters(
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


def test_an_entry_is_read_by_its_uuid_and_by_nothing_else() -> None:
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
def test_an_answer_of_another_server_is_an_api_error(body: bytes) -> None:
    with pytest.raises(ApiError, match="not one of a Trenova API") as caught:
        messages.decode(body, Answer)
    assert caught.value.hint == "check the address of the API"


def test_an_error_says_what_is_wrong_with_which_entry() -> None:
    error = error_of(
        422,
        b'{"title": "Invalid entries", "status": 422, "detail": "1 of 2 entries are invalid", "hint": "look",'
        b' "errors": [{"index": 1, "field": "/action", "message": "is required"}]}',
    )
    assert isinstance(error, ApiError)
    assert (error.status, error.message, error.hint) == (422, "1 of 2 entries are invalid", "look")
    assert error.problems == (EntryProblem(index=1, field="/action", message="is required"),)
    assert not error.retryable


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 415, 422])
def test_an_error_that_a_retry_cannot_fix_is_an_api_error(status: int) -> None:
    assert isinstance(error_of(status), ApiError)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_error_that_may_pass_is_unavailable_and_retryable(status: int) -> None:
    assert error_of(status).retryable


def test_a_failure_of_the_server_is_reported_with_the_request_id_for_its_operator() -> None:
    assert error_of(500, b'{"detail": "it failed", "request_id": "a-1"}').message == "it failed (request id a-1)"


def test_a_parked_entry_comes_back_with_its_reason() -> None:
    body = (
        b'{"batch_id":"b","entries":[{"id":"%b","state":"parked","reason":"a rule"}]}' % str(uuid.UUID(int=1)).encode()
    )
    response = httpx.Response(207, content=body)
    (answered,) = messages.decode(messages.body_of(response), Answer).entries
    assert (answered.state, answered.reason) == ("parked", "a rule")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("Wed, 21 Oct 2026 07:28:00 GMT", 1), ("-5", 1), ("", 1)])
def test_retry_after_is_read_in_seconds(header: str, seconds: int) -> None:
    error = error_of(503, headers={"Retry-After": header})
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize("content", [b"", b"<html>Bad Gateway</html>", b'"no"', b"{}", b'{"title": 5}', b"\xff\xfe"])
def test_an_error_without_a_problem_document_is_reported_by_its_status(content: bytes) -> None:
    assert error_of(502, content).message == "the server answered 502 Bad Gateway"
