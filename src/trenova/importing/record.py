"""One record: a JSON object with its position in the source and its exact bytes, or the reason why it is unreadable."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from trenova.domain import strict_json

MAX_NESTING = 32  # as of an entry, which holds the record


@dataclass(frozen=True, slots=True)
class Record:
    """`line` counts from 1: the line of an NDJSON source, the element of an array. `raw` is without its line end."""

    line: int
    event: dict[str, Any]
    raw: bytes


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that cannot be used. `raw` is empty or cut where it could not be read or was longer than the limit."""

    line: int
    reason: str
    raw: bytes


class Trail(msgspec.Struct):
    """The object that CloudTrail writes around the records of a file."""

    Records: list[msgspec.Raw]


decode = msgspec.json.Decoder().decode
decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
decode_trail = msgspec.json.Decoder(Trail).decode
encode = msgspec.json.Encoder().encode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse(line: int, raw: bytes) -> Record | UnreadableRecord:
    """The object in `raw`; unreadable if it is not one, or holds what cannot be stored unchanged (`strict_json`)."""
    try:
        event = decode(raw)
    except UNREADABLE as error:
        return UnreadableRecord(line, json_error(raw, error), raw)
    if not isinstance(event, dict):
        return UnreadableRecord(line, f"expected a JSON object, found {kind(event)}", raw)
    try:
        unfit = strict_json.problem(raw, encode(event), max_nesting=MAX_NESTING)
    except (ValueError, RecursionError):
        unfit = f"is nested deeper than {MAX_NESTING} levels, or holds an integer beyond 64 bits"
    return UnreadableRecord(line, f"cannot be stored unchanged: {unfit}", raw) if unfit else Record(line, event, raw)


def split(text: bytes) -> list[bytes] | UnreadableRecord:
    """The elements of a JSON array or of CloudTrail's `Records`; a single object is the only element."""
    try:
        if text.lstrip()[:1] == b"[":
            return [bytes(element) for element in decode_array(text)]
        return [bytes(element) for element in decode_trail(text).Records]
    except msgspec.ValidationError:
        return [text.strip()]
    except UNREADABLE as error:
        reason = json_error(text, error)
    return UnreadableRecord(1, f"{reason}; expected one JSON text, or one record per line (as jq -c . writes)", b"")


def json_error(raw: bytes, error: Exception) -> str:
    """Why this is not JSON, with the position. Python's own parser finds it, as msgspec does not always name one."""
    try:
        json.loads(raw.decode())
    except UnicodeDecodeError as invalid:
        return f"not UTF-8: {invalid.reason} at byte {invalid.start + 1}"
    except json.JSONDecodeError as invalid:
        return f"not JSON: {invalid.msg.lower()} at line {invalid.lineno}, character {invalid.colno}"
    except RecursionError:
        return f"nested deeper than {MAX_NESTING} levels"
    except ValueError:
        return "an integer beyond 64 bits"
    return f"not JSON by RFC 8259: NaN, a number out of range or half a surrogate pair ({error})"


def kind(value: object) -> str:
    """The kind of a JSON value, in words for a message."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")
