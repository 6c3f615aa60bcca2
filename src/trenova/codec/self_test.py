"""Whether a process can encode a payload with its own keys and decode it again."""

import os

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.errors import PayloadError

PROBE_BYTES = 64


async def try_codec(codec: PayloadCodec | None) -> str:
    """`ok`, or why this codec cannot decode a payload that it encoded. Does not ask any other process."""
    if codec is None:
        return "ok"
    probe = Payload(metadata={"encoding": b"binary/plain"}, data=os.urandom(PROBE_BYTES))
    try:
        (decoded,) = await codec.decode(await codec.encode([probe]))
    except PayloadError as error:
        return error.message
    return "ok" if decoded == probe else "a payload that this process encoded was decoded to a different one"
