"""Keys as text: 32 bytes in base64 or hex, and the shell line that sets a variable to one."""

import base64
import re

HEX = re.compile(r"[0-9a-fA-F]{64}")

# 32 bytes in the standard or the URL-safe alphabet; the one "=" of padding may be missing.
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
TO_URL_SAFE = str.maketrans("+/", "-_")


def read_32_bytes(text: str) -> tuple[bytes, str] | None:
    """The bytes and the word `hex` or `base64`, or None if `text` has neither form."""
    if HEX.fullmatch(text):
        return bytes.fromhex(text), "hex"
    if BASE64.fullmatch(text):
        return base64.urlsafe_b64decode(text.rstrip("=").translate(TO_URL_SAFE) + "="), "base64"
    return None


def parse_assignment(text: str, prefix: str) -> tuple[str, str] | None:
    """The variable and the value of a line `export <prefix>…='<value>'`, as `trenova keys generate` prints it, or None.

    A key is never mistaken for one: only texts that begin with the variable's name and an equals sign match.
    """
    match = re.fullmatch(rf"(?:export\s+)?({prefix}[A-Za-z0-9_]*)=(['\"]?)(.*)\2\s*", text)
    return None if match is None else (match[1], match[3])
