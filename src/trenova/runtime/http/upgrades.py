"""Removes a request's offer to switch protocols, which every server may ignore (RFC 9110 §7.8)."""

from collections.abc import Iterable


def without_upgrade(method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of the head without the offer. Headers come from a parser, so none contains a line end."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"upgrade":
            continue
        remaining = connection_options(value) if name == b"connection" else value
        lines.append(b"%b: %b" % (name, remaining))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def connection_options(value: bytes) -> bytes:
    return b", ".join(option for option in map(bytes.strip, value.split(b",")) if option.lower() != b"upgrade")
