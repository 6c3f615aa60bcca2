"""The layers in their order: compressed, then encrypted. The reverse would compress ciphertext, which gains nothing."""

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.codec.encryption import ENCRYPTED
from trenova.codec.layer import Layer, each, encoding_of, shown
from trenova.errors import InvalidPayload, PlaintextRefused

# Ours are two deep and the older Go system's two; a payload that was encoded twice by mistake is four deep.
MAX_LAYERS = 4


class Layers(PayloadCodec):
    """Puts every layer of `encoding` on, first to last; takes off layers of `decoding` in whatever order they come.

    Unknown encodings pass through. With `require_encryption`, decoding refuses a payload without an encrypted layer.
    """

    def __init__(
        self, *, encoding: Sequence[Layer], decoding: Sequence[Layer], require_encryption: bool = False
    ) -> None:
        self._encoding = tuple(encoding)
        self._decoding = {layer.encoding: layer for layer in decoding}
        self._require_encryption = require_encryption

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await each(self._wrap, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises PayloadError only, whatever the bytes are."""
        return await each(self._unwrap, payloads)

    def _wrap(self, payload: Payload) -> Payload:
        for layer in self._encoding:
            payload = layer.wrap(payload)
        return payload

    def _unwrap(self, payload: Payload) -> Payload:
        outermost = encoding_of(payload)
        encrypted = False
        for _ in range(MAX_LAYERS):
            layer = self._decoding.get(encoding_of(payload))
            if layer is None:
                break
            encrypted = encrypted or layer.encoding == ENCRYPTED
            payload = layer.unwrap(payload)
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
