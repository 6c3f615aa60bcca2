"""The layers in their order: compressed, then encrypted. The reverse would compress ciphertext, which gains nothing."""

from collections.abc import Sequence
from functools import partial

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.codec.compression import MAX_DECOMPRESSED_BYTES
from trenova.codec.encryption import ENCRYPTED
from trenova.codec.layer import Budget, Layer, each, encoding_of, shown
from trenova.errors import InvalidPayload, PayloadTooLarge, PlaintextRefused

# Ours are two deep and the older Go system's two; a payload that was encoded twice by mistake is four deep.
MAX_LAYERS = 4
# Temporal refuses a payload of 2 MiB; the rest is for its own wrapping.
MAX_SENT_BYTES = 2 * 1024 * 1024 - 16 * 1024


class Layers(PayloadCodec):
    """Puts every layer of `encoding` on, first to last; takes off layers of `decoding` in whatever order they come.

    Unknown encodings pass through. With `require_encryption`, decoding refuses a payload without an encrypted layer.
    Encoding a payload to more than `max_sent_bytes` raises PayloadTooLarge: for a sender that can make it smaller.
    """

    def __init__(
        self,
        *,
        encoding: Sequence[Layer],
        decoding: Sequence[Layer],
        require_encryption: bool = False,
        max_sent_bytes: int | None = None,
    ) -> None:
        self._encoding = tuple(encoding)
        self._decoding = {layer.encoding: layer for layer in decoding}
        self._require_encryption = require_encryption
        self._max_sent_bytes = max_sent_bytes

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await each(self._wrap, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises PayloadError only, whatever the bytes are."""
        return await self.decode_within(Budget(MAX_DECOMPRESSED_BYTES), payloads)

    async def decode_within(self, budget: Budget, payloads: Sequence[Payload]) -> list[Payload]:
        """The same, and DecodedTooLarge once they become more than the budget has left."""
        return await each(partial(self._unwrap, budget), payloads)

    def _wrap(self, payload: Payload) -> Payload:
        for layer in self._encoding:
            payload = layer.wrap(payload)
        size = payload.ByteSize()
        if self._max_sent_bytes is not None and size > self._max_sent_bytes:
            raise PayloadTooLarge(
                f"a payload has {size:,} bytes as it would be sent, Temporal takes {self._max_sent_bytes:,}",
                hint="send less at once",
            )
        return payload

    def _unwrap(self, budget: Budget, payload: Payload) -> Payload:
        outermost = encoding_of(payload)
        encrypted = False
        for _ in range(MAX_LAYERS):
            layer = self._decoding.get(encoding_of(payload))
            if layer is None:
                break
            encrypted = encrypted or layer.encoding == ENCRYPTED
            payload = layer.unwrap(payload, budget)
        if encoding_of(payload) in self._decoding:
            raise InvalidPayload(
                f"the payload is wrapped in more than {MAX_LAYERS} layers",
                hint="its sender applies its codec again and again; no client needs more than one codec",
            )
        if self._require_encryption and not encrypted:
            raise PlaintextRefused(
                f"the payload came unencrypted (encoding: {shown(outermost) or 'none'}) and requireEncryption is on",
                hint="its sender has encryption off or uses no codec: turn enableEncryption on there, "
                "or give the Temporal CLI --codec-endpoint",
            )
        return payload
