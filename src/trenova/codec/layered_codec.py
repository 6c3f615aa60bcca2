"""The codec that composes layers: compress, then encrypt. Ciphertext does not compress, so never the reverse."""

from collections.abc import Sequence
from functools import partial
from typing import Self

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from trenova.codec import undecodable
from trenova.codec.compression import MAX_DECOMPRESSED_BYTES
from trenova.codec.encryption import ENCRYPTED
from trenova.codec.layer import Budget, Layer, apply_to_each, encoding_of, printable
from trenova.config import KIB, MIB
from trenova.domain.schedules import is_scheduled
from trenova.errors import InvalidPayload, PayloadError, PayloadTooLarge, PlaintextRefused

# We and the older Go system use two layers; a payload that was encoded twice by mistake has four.
MAX_LAYERS = 4
# Temporal does not accept a payload of 2 MiB; the rest is for its own wrapping.
MAX_SENT_BYTES = 2 * MIB - 16 * KIB


class LayeredCodec(PayloadCodec, WithSerializationContext):
    """Wraps payloads in every layer of `encoding`, first to last; unwraps layers of `decoding` in any order.

    Unknown encodings pass through. With `require_encryption`, decoding raises PlaintextRefused for a payload without an
    encrypted layer. Encoding a payload to more than `max_sent_bytes` raises PayloadTooLarge, for senders that can make
    it smaller.
    """

    def __init__(
        self,
        *,
        encoding: Sequence[Layer],
        decoding: Sequence[Layer],
        require_encryption: bool = False,
        max_sent_bytes: int | None = None,
        defers: bool = False,
    ) -> None:
        self.encoding = tuple(encoding)
        self.decoding = {layer.encoding: layer for layer in decoding}
        self.require_encryption = require_encryption
        self.max_sent_bytes = max_sent_bytes
        self.defers = defers

    def with_context(self, context: SerializationContext) -> Self:
        """For a run of one of our schedules, a codec that defers decoding errors until the payload is read.

        Temporal gives each run the result and the failure of the previous run, and the SDK decodes them before the
        workflow begins. None of our workflows reads them: a key that was removed must not stop the next run.
        """
        if not (isinstance(context, WorkflowSerializationContext) and is_scheduled(context.workflow_id)):
            return self
        return type(self)(
            encoding=self.encoding,
            decoding=tuple(self.decoding.values()),
            require_encryption=self.require_encryption,
            max_sent_bytes=self.max_sent_bytes,
            defers=True,
        )

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await apply_to_each(self.wrap, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises only PayloadError, whatever the bytes are; no error if errors are deferred."""
        return await self.decode_within(Budget(MAX_DECOMPRESSED_BYTES), payloads)

    async def decode_within(self, budget: Budget, payloads: Sequence[Payload]) -> list[Payload]:
        """The same; also raises DecodedTooLarge when the payloads exceed what is left of the budget."""
        return await apply_to_each(partial(self.unwrap_or_defer if self.defers else self.unwrap, budget), payloads)

    def wrap(self, payload: Payload) -> Payload:
        for layer in self.encoding:
            payload = layer.wrap(payload)
        size = payload.ByteSize()
        if self.max_sent_bytes is not None and size > self.max_sent_bytes:
            raise PayloadTooLarge(
                f"an encoded payload has {size:,} bytes; Temporal accepts at most {self.max_sent_bytes:,}",
                hint="send less at once",
            )
        return payload

    def unwrap_or_defer(self, budget: Budget, payload: Payload) -> Payload:
        try:
            return self.unwrap(budget, payload)
        except PayloadError as error:
            return undecodable.placeholder_for(error)

    def unwrap(self, budget: Budget, payload: Payload) -> Payload:
        outermost = encoding_of(payload)
        encrypted = False
        for _ in range(MAX_LAYERS):
            layer = self.decoding.get(encoding_of(payload))
            if layer is None:
                break
            encrypted = encrypted or layer.encoding == ENCRYPTED
            payload = layer.unwrap(payload, budget)
        if encoding_of(payload) in self.decoding:
            raise InvalidPayload(
                f"the payload is wrapped in more than {MAX_LAYERS} layers",
                hint="its sender applies a codec several times; no client needs more than one codec",
            )
        if encoding_of(payload) == undecodable.PLACEHOLDER:
            raise InvalidPayload(
                "the payload has an encoding that is only used internally", hint="find out who made it"
            )
        if self.require_encryption and not encrypted:
            raise PlaintextRefused(
                f"the payload is not encrypted (encoding: {printable(outermost) or 'none'}), "
                "and requireEncryption is on",
                hint="its sender has encryption off or uses no codec: turn enableEncryption on there, "
                "or give the Temporal CLI --codec-endpoint",
            )
        return payload
