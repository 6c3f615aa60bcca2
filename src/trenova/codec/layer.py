"""The base class of layers around a payload, and when work on payloads leaves the event loop."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.config import KIB
from trenova.errors import DecodedTooLarge, InvalidPayload
from trenova.threads import run_off_loop

# The longest name from a payload's metadata that an error quotes: the sender chooses it, and errors are logged.
MAX_SHOWN_CHARACTERS = 64

# From this many bytes in one call, a thread does the work. Fewer block the event loop for at most 0.3 ms, no longer
# than switching to a thread and back.
OFF_LOOP_BYTES = 16 * KIB

ENCODING = "encoding"


class Budget:
    """How many bytes the payloads decoded together may take; every layer of each payload counts."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = self.left = most_bytes

    def spend(self, size: int) -> None:
        """Raises DecodedTooLarge if less than `size` is left."""
        self.left -= size
        if self.left < 0:
            self.left = 0
            raise DecodedTooLarge(
                f"payloads decompress to more than {self.most_bytes:,} bytes, the limit for payloads decoded together",
                hint="decode fewer at once; if it is a single one, find out who made it",
            )


class Layer(PayloadCodec, ABC):
    """One way to wrap a payload into another, identified by the outer payload's `encoding`.

    A layer is itself a codec: `encode` wraps every payload, `decode` unwraps at most one layer of this kind and passes
    everything else through. `LayeredCodec` composes several. Layers are immutable.
    """

    encoding: ClassVar[bytes]

    @abstractmethod
    def wrap(self, payload: Payload) -> Payload:
        """The payload wrapped in this layer, or the same payload if wrapping gains nothing."""

    @abstractmethod
    def unwrap(self, payload: Payload, budget: "Budget | None" = None) -> Payload:
        """The inner payload of `payload`, whose encoding is this layer's. Raises only PayloadError.

        The size of the inner payload is taken from the budget while it grows.
        """

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await apply_to_each(self.wrap, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await apply_to_each(self.unwrap_own, payloads)

    def unwrap_own(self, payload: Payload) -> Payload:
        return self.unwrap(payload) if encoding_of(payload) == self.encoding else payload


async def apply_to_each(work: Callable[[Payload], Payload], payloads: Sequence[Payload]) -> list[Payload]:
    """The results of `work` on every payload, in order. Runs in a thread if the payloads are large."""
    # A copy of the list: the caller may empty a protobuf container while the thread reads it.
    items = list(payloads)
    # Not `ByteSize()`: to count, it serializes the payload.
    large = sum(len(payload.data) for payload in items) >= OFF_LOOP_BYTES
    return await run_off_loop(lambda: [work(item) for item in items], large=large)


def encoding_of(payload: Payload) -> bytes:
    """The payload's encoding, empty if it has none."""
    # Not `metadata[…]`: on a protobuf map that adds the missing key to the sender's message.
    return payload.metadata.get(ENCODING, b"")


def parse_payload(data: bytes, *, layer: str) -> Payload:
    """The payload that is serialized in `data`. Raises InvalidPayload, which names the `layer` it came from."""
    try:
        return Payload.FromString(data)
    except DecodeError:
        raise InvalidPayload(
            f"the {layer} payload does not contain a Temporal payload",
            hint="its sender does not wrap whole payloads; use Trenova's codec or Temporal's sample codec there",
        ) from None


def printable(name: bytes) -> str:
    """A name from a payload's metadata, safe to quote in an error: printable, on one line, and short."""
    text = name.decode(errors="backslashreplace")
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"
