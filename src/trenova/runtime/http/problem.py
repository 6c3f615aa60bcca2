"""Problem documents (RFC 9457) for requests that fail before or around the application."""

from http import HTTPStatus

import msgspec

MEDIA_TYPE = b"application/problem+json"


def encode_problem(status: HTTPStatus, title: str, detail: str, request_id: str) -> bytes:
    """The document, in JSON. For a server error it has the request id that the operator finds in the log."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        document["request_id"] = request_id
    return msgspec.json.encode(document)
