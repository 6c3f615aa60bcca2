"""What stands in the place of a payload that could not be decoded, and says why to whoever reads it.

Imported inside Temporal's workflow sandbox: never import `cryptography` here.
"""

from temporalio.api.common.v1 import Payload

from trenova.codec.layer import ENCODING, encoding_of
from trenova.errors import PayloadError

UNREAD = b"trenova/unread"


def standing_for(error: PayloadError) -> Payload:
    return Payload(metadata={ENCODING: UNREAD}, data=str(error).encode())


def refuse(payload: Payload) -> None:
    """Raise PayloadError for a payload that stands for one that could not be decoded."""
    if encoding_of(payload) == UNREAD:
        raise PayloadError(payload.data.decode(errors="replace"))
