"""Splits a body (one object, an array, or NDJSON) into one raw JSON text per entry."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

import msgspec

from trenova.config import LimitSettings
from trenova.domain import decoding_errors
from trenova.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType

JSON = frozenset({"application/json"})
NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
# With any number of blank lines after it.
LINE_END = re.compile(rb"\n[ \t\r\n]*")
# An array with fewer commas than this per allowed entry is small, whatever the commas separate.
COMMAS_EACH = 4

array_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def check_headers(content_type: str, content_encoding: str) -> None:
    """Raise UnsupportedMediaType for a body that could not be read, before it is."""
    if content_encoding.lower() not in {"", "identity"}:
        raise UnsupportedMediaType(
            f"the content encoding {content_encoding} is not supported; send the body uncompressed"
        )
    if (kind := media_type_of(content_type)) not in JSON | NDJSON:
        raise UnsupportedMediaType(
            f"the content type {kind or '(none)'} is not supported",
            hint="send `Content-Type: application/json`, or application/x-ndjson with one entry a line",
        )


def media_type_of(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def split_entries(body: bytes, *, content_type: str, limits: LimitSettings) -> Sequence[bytes]:
    """The raw JSON texts of the request's entries, at least one. The headers have been checked.

    Entries are counted while they are split: no more objects are made than a request may hold entries. An entry that
    is not valid JSON within a readable request is reported by `domain.intake`.
    """
    most = limits.max_request_entries
    raws = (
        list(islice(nonblank_lines(body), most + 1))
        if media_type_of(content_type) in NDJSON
        else json_entries(body, most)
    )
    if not raws:
        raise InvalidRequest("the request holds no entries")
    if len(raws) > most:
        raise too_many_entries(most)
    return raws


def too_many_entries(most: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"the request holds at least {most + 1:,} entries, the limit is {most:,}", hint="send them in several requests"
    )


def nonblank_lines(body: bytes) -> Iterator[bytes]:
    """The lines of the body, without blank ones."""
    text = body.strip(b" \t\r\n")
    begin = 0
    for end in LINE_END.finditer(text):
        yield text[begin : end.start()]
        begin = end.end()
    if begin < len(text):
        yield text[begin:]


def json_entries(body: bytes, most: int) -> list[bytes]:
    text = body.strip(b" \t\r\n")
    if not text.startswith(b"["):
        if not text.startswith(b"{"):
            raise InvalidRequest("expected a JSON object or an array of objects")
        check_syntax(text)
        return [text]
    try:
        if text.count(b",") < COMMAS_EACH * most:
            return [bytes(raw) for raw in array_decoder.decode(text)]
        places = msgspec.structs.astuple(bounded_array_decoder(most).decode(text))
    except msgspec.ValidationError:
        raise too_many_entries(most) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_body(error) from None
    return [bytes(raw) for raw in places if raw is not NOTHING]


NOTHING = msgspec.Raw(b"")


@lru_cache(1)
def bounded_array_decoder(entries: int) -> msgspec.json.Decoder[msgspec.Struct]:
    """A decoder of arrays with at most so many elements, which stops at the first one too many.

    msgspec would read a list with a maximum length to its end before it checks the length.
    """
    places = [(f"entry_{number}", msgspec.Raw, NOTHING) for number in range(entries)]
    kind = msgspec.defstruct("Places", places, array_like=True, forbid_unknown_fields=True, frozen=True)
    return msgspec.json.Decoder(kind)


def check_syntax(text: bytes) -> None:
    """Raise InvalidRequest: a single object that is not JSON is a broken request, not a bad entry of a readable one."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_body(error) from None


def invalid_body(error: Exception) -> InvalidRequest:
    if isinstance(error, RecursionError):
        return InvalidRequest("the body is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return InvalidRequest(f"the body is not valid UTF-8: {error.reason} at byte {error.start} of a string")
    assert isinstance(error, msgspec.DecodeError)
    return InvalidRequest(f"the body is not valid JSON: {decoding_errors.syntax_problem(error)}")
