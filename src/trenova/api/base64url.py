"""Bytes as text in URLs and cookies: base64url without padding (RFC 4648 §5), of which each text has one spelling."""

import base64


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes that `encode` wrote as this text. Raises ValueError for any other text.

    The last character may have surplus bits, which decoding ignores: without the comparison a changed text could pass.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        data = None
    if data is None or encode(data) != text:
        raise ValueError("expected base64url without padding")
    return data
