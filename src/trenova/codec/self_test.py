"""Whether a process can do with its own keys what it will be asked to do: write a payload, and read it again."""

import os

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.errors import PayloadError

PROBE_BYTES = 64


async def try_codec(codec: PayloadCodec | None) -> str:
    """`ok`, or why a payload that this codec encodes cannot be decoded by it. Asks no other process."""
    if codec is None:
        return "ok"
    probe = Payload(metadata={"encoding": b"binary/plain"}, data=os.urandom(PROBE_BYTES))
    try:
        (decoded,) = await codec.decode(await codec.encode([probe]))
    except PayloadError as error:
        return error.message
    return "ok" if decoded == probe else "a payload that this process encodes is decoded to another one"
