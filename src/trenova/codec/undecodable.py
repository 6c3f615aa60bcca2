"""The placeholder for a payload that could not be decoded, which raises the reason when it is read.

Imported inside Temporal's workflow sandbox: never import `cryptography` here.
"""

from temporalio.api.common.v1 import Payload

from trenova.codec.layer import ENCODING, encoding_of
from trenova.errors import PayloadError

PLACEHOLDER = b"trenova/unread"


def placeholder_for(error: PayloadError) -> Payload:
    return Payload(metadata={ENCODING: PLACEHOLDER}, data=str(error).encode())


def raise_if_placeholder(payload: Payload) -> None:
    """Raise PayloadError if the payload is the placeholder for one that could not be decoded."""
    if encoding_of(payload) == PLACEHOLDER:
        raise PayloadError(payload.data.decode(errors="replace"))
