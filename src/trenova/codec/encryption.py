"""Encryption: `encoding=binary/encrypted`, `encryption-key-id=<id>`, AES-256-GCM of the serialized inner payload.

Data is a random 12-byte nonce ‖ ciphertext ‖ 16-byte tag, without associated data. That is the layout of Temporal's
Python, Go, TypeScript and Java samples: they can read our payloads, and we theirs. Nothing binds a payload to its
workflow: anyone who can write to Temporal's database can move an encrypted payload to another workflow, but not change
it.
"""

import os
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload

from trenova.codec.layer import ENCODING, Budget, Layer, encoding_of, parse_payload, printable
from trenova.errors import DecryptionFailed, EncryptionKeyNotFound
from trenova.keys.keyring import Keyring

ENCRYPTED = b"binary/encrypted"
KEY_ID = "encryption-key-id"
NONCE_BYTES = 12
TAG_BYTES = 16

# A protobuf length prefix is a varint of at most ten bytes with seven bits each.
MAX_VARINT_BYTES = 10


class Encryption(Layer):
    """Encrypts every payload under the keyring's encrypting key; decrypts payloads of every key in the keyring."""

    encoding: ClassVar[bytes] = ENCRYPTED

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.ciphers = {key.id.encode(): AESGCM(key.secret) for key in keyring.keys.values()}

    def wrap(self, payload: Payload) -> Payload:
        """Raises EncryptionKeyNotFound if the keyring has no encrypting key."""
        # Also payloads that are marked as encrypted: the mark proves nothing, and might let a plain payload through.
        key_id = (self.keyring.encrypting_id or "").encode()
        nonce = os.urandom(NONCE_BYTES)
        sealed = self.cipher(key_id).encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={ENCODING: ENCRYPTED, KEY_ID: key_id}, data=nonce + sealed)

    def unwrap(self, payload: Payload, budget: Budget | None = None) -> Payload:
        del budget  # decryption does not make a payload larger
        key_id = payload.metadata.get(KEY_ID, b"")
        cipher = self.cipher(key_id)
        nonce, sealed = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
        # Shorter data has no complete tag, and `cryptography` raises another error for a short nonce.
        if len(sealed) < TAG_BYTES:
            raise decryption_failed(key_id)
        try:
            return parse_inner_payload(cipher.decrypt(nonce, sealed, None))
        except InvalidTag:
            raise decryption_failed(key_id) from None

    def cipher(self, key_id: bytes) -> AESGCM:
        try:
            return self.ciphers[key_id]
        except KeyError:
            variable = (
                "TEMPORAL_ENCRYPTION_KEY" if key_id == b"default" else f"TEMPORAL_ENCRYPTION_KEY_{printable(key_id)}"
            )
            raise EncryptionKeyNotFound(
                f"encryption key not found for ID: {printable(key_id) or '(none)'}",
                hint=f"this program holds {', '.join(self.keyring.ids) or 'no key'}: "
                f"set {variable}, or add a file of this name to the key folder, and restart",
            ) from None


def decryption_failed(key_id: bytes) -> DecryptionFailed:
    return DecryptionFailed(
        f"decryption failed with the key ID: {printable(key_id)}",
        hint="the sender holds another key under this ID, or the payload was changed: "
        "compare the fingerprints that `trenova keys check` prints on both sides",
    )


def parse_inner_payload(plain: bytes) -> Payload:
    """The inner payload, bare or, as old TypeScript samples wrote it, after its length as a varint.

    A bare payload starts with the tag of `metadata` (0x0a) or `data` (0x12). As lengths these would be 10 and 18, too
    short for a payload with encoding and data, so the two forms cannot be confused.
    """
    length = 0
    for index, byte in enumerate(plain[:MAX_VARINT_BYTES]):
        length |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit of a varint
            if length == len(plain) - index - 1:
                try:
                    inner = Payload.FromString(plain[index + 1 :])
                except DecodeError:
                    break
                if encoding_of(inner):
                    return inner
            break
    return parse_payload(plain, layer="encrypted")
