"""32 bytes written in base64 or hex."""

import base64
import re

_HEX = re.compile(r"[0-9a-fA-F]{64}")

# 32 bytes in the standard or the URL-safe alphabet; the one "=" of padding may be missing.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
_TO_URL_SAFE = str.maketrans("+/", "-_")


def read_32_bytes(text: str) -> tuple[bytes, str] | None:
    """The bytes and the word `hex` or `base64`, or None where `text` is neither. Only its form decides."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text), "hex"
    if _BASE64.fullmatch(text):
        return base64.urlsafe_b64decode(text.rstrip("=").translate(_TO_URL_SAFE) + "="), "base64"
    return None
