"""What a layer around a payload is, and when work on payloads leaves the event loop."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.config import KIB
from trenova.errors import DecodedTooLarge, InvalidPayload
from trenova.threads import run_off_loop

# The longest name from a payload's metadata that an error repeats: a sender chooses it, and errors end up in logs.
MAX_SHOWN_CHARACTERS = 64

# From this many bytes in one call on, a thread does the work. Less holds up the event loop for about 0.3 ms, which is
# no longer than the switch to a thread and back takes.
OFF_LOOP_BYTES = 16 * KIB

ENCODING = "encoding"


class Budget:
    """How many bytes payloads that are decoded together may become: each step of each counts."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = self.left = most_bytes

    def spend(self, size: int) -> None:
        """Raises DecodedTooLarge for more than is left."""
        self.left -= size
        if self.left < 0:
            self.left = 0
            raise DecodedTooLarge(
                f"payloads decompress to more than {self.most_bytes:,} bytes, the most that are decoded together",
                hint="decode fewer at once; if it is a single one, find out who made it",
            )


class Layer(PayloadCodec, ABC):
    """One wrapping of a payload into another, told apart by the outer payload's `encoding`.

    A layer can be used as a codec by itself: `encode` wraps every payload, `decode` takes off at most one layer of its
    own and passes everything else through. `Layers` composes several. Layers hold no state that changes.
    """

    encoding: ClassVar[bytes]

    @abstractmethod
    def wrap(self, payload: Payload) -> Payload:
        """The payload inside this layer, or the same payload where the layer would gain nothing."""

    @abstractmethod
    def unwrap(self, payload: Payload, budget: "Budget | None" = None) -> Payload:
        """What is inside `payload`, whose encoding is this layer's. Raises PayloadError only.

        What it grows to counts against the budget while it grows.
        """

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await apply_to_each(self.wrap, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await apply_to_each(self.unwrap_own, payloads)

    def unwrap_own(self, payload: Payload) -> Payload:
        return self.unwrap(payload) if encoding_of(payload) == self.encoding else payload


async def apply_to_each(work: Callable[[Payload], Payload], payloads: Sequence[Payload]) -> list[Payload]:
    """`work` on every payload, in order; in a thread when they are big together. The first error ends it."""
    # A copy of the list: the caller may empty a protobuf container while the thread reads it.
    items = list(payloads)
    # Not `ByteSize()`: to count, it serializes the payload.
    large = sum(len(payload.data) for payload in items) >= OFF_LOOP_BYTES
    return await run_off_loop(lambda: [work(item) for item in items], large=large)


def encoding_of(payload: Payload) -> bytes:
    """The payload's encoding, empty if it names none."""
    # Not `metadata[…]`: on a protobuf map that adds the missing key to the sender's message.
    return payload.metadata.get(ENCODING, b"")


def parse_payload(data: bytes, *, layer: str) -> Payload:
    """The payload that `data` is the serialized form of. Raises InvalidPayload; `layer` says where it was found."""
    try:
        return Payload.FromString(data)
    except DecodeError:
        raise InvalidPayload(
            f"the {layer} payload holds no Temporal payload",
            hint="its sender does not wrap whole payloads; use this project's or Temporal's own sample codec there",
        ) from None


def printable(name: bytes) -> str:
    """A name from a payload's metadata as an error may repeat it: printable, one line, not long."""
    text = name.decode(errors="backslashreplace")
    text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"
