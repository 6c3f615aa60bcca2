"""What a client may send: one object, an array, or NDJSON, as one raw JSON text for each entry."""

from collections.abc import Sequence

import msgspec

from trenova.config import Limits
from trenova.domain import explain
from trenova.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType

JSON = frozenset({"application/json"})
NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})

array = msgspec.json.Decoder(list[msgspec.Raw])


def entries(body: bytes, *, content_type: str, content_encoding: str, limits: Limits) -> Sequence[bytes]:
    """The raw JSON texts of the request's entries, at least one.

    An entry that is no valid JSON inside a readable request is left for `domain.intake` to name.
    """
    if content_encoding.lower() not in {"", "identity"}:
        raise UnsupportedMediaType(f"the content encoding {content_encoding} is not understood; send it uncompressed")
    kind = content_type.partition(";")[0].strip().lower()
    if kind in NDJSON:
        raws = [line for line in body.split(b"\n") if line.strip()]
    elif kind in JSON:
        raws = json_entries(body)
    else:
        raise UnsupportedMediaType(
            f"the content type {kind or '(none)'} is not understood",
            hint="send `Content-Type: application/json`, or application/x-ndjson with one entry a line",
        )
    if not raws:
        raise InvalidRequest("the request holds no entries")
    if len(raws) > limits.max_request_entries:
        raise RequestTooLarge(
            f"the request holds {len(raws):,} entries, the limit is {limits.max_request_entries:,}",
            hint="send them in several requests",
        )
    return raws


def json_entries(body: bytes) -> list[bytes]:
    text = body.strip(b" \t\r\n")
    if not text.startswith(b"["):
        if not text.startswith(b"{"):
            raise InvalidRequest("expected a JSON object or an array of objects")
        check_syntax(text)
        return [text]
    try:
        return [bytes(raw) for raw in array.decode(text)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def check_syntax(text: bytes) -> None:
    """A single object that is no JSON is a broken request, not a bad entry of a readable one."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def unreadable(error: Exception) -> InvalidRequest:
    if isinstance(error, RecursionError):
        return InvalidRequest("the body is nested too deep to be read")
    if isinstance(error, UnicodeDecodeError):
        return InvalidRequest(f"the body is not valid UTF-8: {error.reason} at byte {error.start} of a string")
    assert isinstance(error, msgspec.DecodeError)
    return InvalidRequest(f"the body is not valid JSON: {explain.syntax(error)}")
