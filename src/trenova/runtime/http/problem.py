"""A problem document (RFC 9457) where no application is asked any more: for what fails around it, or before it."""

from http import HTTPStatus

import msgspec

MEDIA_TYPE = b"application/problem+json"


def encode_problem(status: HTTPStatus, title: str, detail: str, request_id: str) -> bytes:
    """The document. It names the request where the server's operator must look for it in the log."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        document["request_id"] = request_id
    return msgspec.json.encode(document)
