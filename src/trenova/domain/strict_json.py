"""JSON that an audit ledger must not store, since readers interpret it differently.

Repeated keys, U+0000 (PostgreSQL cannot store it), integers beyond 64 bits and unlimited nesting are invalid, because a
stored entry must mean the same to every reader. msgspec accepts them all, so they are detected here: with a cheap check
of the bytes first, and exactly only if that finds a suspicion.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
MAX_INTEGER_LENGTH = 20
# Each digit becomes 0, and both opening brackets become `{`. Finding a run of digits in this takes a tenth of the time
# of a regular expression.
COARSE = bytes.maketrans(b"123456789[", b"000000000{")
# Nineteen digits may be beyond 64 bits.
LONG_NUMBER = b"0" * 19
LONG_INTEGER = re.compile(rb"(?:^|[\s:,{-])0{19}")
ESCAPED = re.compile(rb"\\.", re.DOTALL)
NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def problem(raw: bytes, encoded: bytes, *, max_nesting: int) -> str | None:
    """What makes this JSON text invalid, or None. `encoded` is the same text decoded and encoded again by msgspec."""
    if may_repeat_a_key(raw, encoded) and (key := repeated_key(raw)) is not None:
        return repeated_key_problem(key)
    return problem_besides_keys(raw, max_nesting=max_nesting)


def problem_besides_keys(raw: bytes, *, max_nesting: int) -> str | None:
    """As `problem`, without the check for repeated keys."""
    if may_be_unfit(raw, max_nesting):
        return value_problem(json.loads(raw, parse_int=parse_bounded), max_nesting)
    return None


def may_be_unfit(text: bytes, max_nesting: int) -> bool:
    """False if a JSON text is certainly valid. Rarely True for a valid one."""
    if b"\\" in text and b"\\u0000" in text:
        return True
    coarse = text.translate(COARSE)
    if LONG_NUMBER not in coarse and coarse.count(b"{") <= max_nesting:
        return False  # even with the contents of strings counted
    structure = outside_strings(text)
    return may_be_beyond_64_bits(structure) or is_nested_deeper(structure, max_nesting)


def outside_strings(text: bytes) -> bytes:
    """The brackets, numbers and punctuation of a JSON text, typically a tenth of it."""
    plain = ESCAPED.sub(b"", text) if b"\\" in text else text
    return b"".join(plain.split(b'"')[::2])


def may_be_beyond_64_bits(structure: bytes) -> bool:
    coarse = structure.translate(COARSE)
    return LONG_NUMBER in coarse and LONG_INTEGER.search(coarse) is not None


def is_nested_deeper(structure: bytes, levels: int) -> bool:
    """Whether brackets are nested deeper than `levels`. Each pass removes the innermost."""
    brackets = structure.translate(None, NO_BRACKETS)
    for _ in range(levels):
        if not brackets:
            return False
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return bool(brackets)


def may_repeat_a_key(raw: bytes, encoded: bytes, *, added: int = 0) -> bool:
    """Whether decoding may have dropped a key, judged by the number of quotation marks; encoding `added` some of them.

    Each dropped member removes at least the two marks of its key. Only an escaped mark (backslash u0022) also changes
    the number, so texts with that escape are checked exactly.
    """
    return raw.count(b'"') != encoded.count(b'"') - added or b"\\u0022" in raw


def repeated_key_problem(key: str) -> str:
    return f"the key {key!r} occurs twice in one object"


def repeated_key(raw: bytes) -> str | None:
    repeated: list[str] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                repeated.append(key)
            seen[key] = value
        return seen

    json.loads(raw, object_pairs_hook=keep, parse_int=parse_bounded)
    return repeated[0] if repeated else None


def parse_bounded(digits: str) -> int:
    """The integer, or some integer beyond 64 bits if it is too long: Python does not parse thousands of digits."""
    return int(digits) if len(digits) <= MAX_INTEGER_LENGTH else MAX_INTEGER + 1


def value_problem(value: Any, max_nesting: int) -> str | None:
    return next(value_problems(value, max_nesting, depth=1), None)


def value_problems(value: Any, max_nesting: int, *, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list):
        if depth > max_nesting:
            yield f"is nested deeper than {max_nesting} levels"
            return
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from value_problems(item, max_nesting, depth=depth + 1)
    elif isinstance(value, str):
        if "\0" in value:
            yield "holds the character U+0000, which PostgreSQL cannot store; remove or replace it"
    elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        yield "holds an integer beyond 64 bits; send it as a string"


def is_deeper_than(levels: int, value: dict[str, Any] | list[Any]) -> bool:
    """Whether objects and arrays are nested deeper than `levels`; `value` itself is the first level."""
    level: list[Any] = [value]
    for _ in range(levels):
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True
