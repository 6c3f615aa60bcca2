"""Writes the vectors beside it: payloads as other programs lay them out, and what is inside.

Run: python tests/contract/codec/vectors/make_vectors.py

Uses nothing of `trenova`, so that the vectors and the code cannot be wrong together: the layouts are written down here
a second time, from the sources named in each vector. Nonces are fixed, so the files come out the same every time. Never
do that with a real key.
"""

import gzip
import hashlib
import json
import zlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload

FOLDER = Path(__file__).parent

SAMPLE_TEXT = "test-key-test-key-test-key-test!"  # the constant of Temporal's samples: 32 characters, used as bytes
GO_TEXT = "q1p7mYQh0yYw3o4T3t8bq0mF7kC2x5v9J6sDfGhLzXc="  # 44 characters, of which the Go system used 32
PASSPHRASE = "correct horse battery staple, and a few more words"
HEX = bytes(range(32)).hex()
BASE64 = b64encode(bytes(range(100, 132))).decode()

ENTRY = {
    "actor": {"type": "user", "id": "u-17", "name": "Zoë"},
    "action": "shipment.update",
    "target": {"type": "shipment", "id": "s-90210"},
    "before": {"status": "planned", "pieces": 4},
    "after": {"status": "in_transit", "pieces": 4},
}
SMALL = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(ENTRY, ensure_ascii=False).encode())
BATCH = Payload(
    metadata={"encoding": b"json/plain"},
    data=json.dumps({"entries": [ENTRY | {"n": n} for n in range(20)]}, ensure_ascii=False).encode(),
)
NULL = Payload(metadata={"encoding": b"binary/null"})
BYTES = Payload(metadata={"encoding": b"binary/plain"}, data=bytes(range(256)))
PROTOBUF = Payload(
    metadata={"encoding": b"json/protobuf", "messageType": b"temporal.api.common.v1.WorkflowType"},
    data=b'{"name":"ProcessAuditBatchWorkflow"}',
)
BARE = Payload(data=b"a payload that names no encoding")


def bare(payload: Payload) -> bytes:
    return payload.SerializeToString(deterministic=True)


def encode_delimited(payload: Payload) -> bytes:
    """As `encodeDelimited` of protobufjs: the length as a varint in front."""
    body, length, prefix = bare(payload), payload.ByteSize(), bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(prefix) + bytes([length]) + body


def encrypt(plain: bytes, key: bytes, key_id: str, **more: bytes) -> Payload:
    nonce = hashlib.sha256(b"vector nonce" + key + plain).digest()[:12]
    return Payload(
        metadata={"encoding": b"binary/encrypted", "encryption-key-id": key_id.encode(), **more},
        data=nonce + AESGCM(key).encrypt(nonce, plain, None),
    )


def compress(payload: Payload) -> Payload:
    return Payload(metadata={"encoding": b"binary/zlib"}, data=zlib.compress(bare(payload), 9))


@dataclass(frozen=True, kw_only=True)
class Vector:
    name: str
    layout: str
    payload: Payload
    expected: Payload
    keys: dict[str, str]
    key_format: str = "auto"
    # Where the encrypted data is, for flipping bytes in it: "outer", "inside zlib" or "none".
    ciphertext: str = "outer"


def vectors() -> list[Vector]:
    sample = SAMPLE_TEXT.encode()
    sample_keys = {"test-key-id": SAMPLE_TEXT}
    go = GO_TEXT.encode()[:32]
    go_keys = {"default": GO_TEXT}
    text = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"trenova/codec-key/v1").derive(PASSPHRASE.encode())
    ours = {"k1": BASE64, "k2": HEX, "k3": PASSPHRASE}
    k1, k2 = bytes(range(100, 132)), bytes(range(32))
    found = [
        *(
            Vector(
                name=f"python-sample-{kind}",
                layout="samples-python encryption/codec.py: whole payload, encryption only",
                payload=encrypt(bare(inner), sample, "test-key-id"),
                expected=inner,
                keys=sample_keys,
                key_format="raw32",
            )
            for kind, inner in {
                "json": SMALL,
                "null": NULL,
                "bytes": BYTES,
                "protobuf": PROTOBUF,
                "no-encoding": BARE,
                "empty": Payload(),
            }.items()
        ),
        Vector(
            name="go-sample-compress-then-encrypt",
            layout="samples-go encryption/ with Compress: Encrypt and Zlib(AlwaysEncode), applied last to first",
            payload=encrypt(bare(compress(BATCH)), sample, "test-key-id"),
            expected=BATCH,
            keys=sample_keys,
            key_format="raw32",
        ),
        Vector(
            name="go-sdk-zlib",
            layout="Go SDK ZlibCodec alone",
            payload=compress(BATCH),
            expected=BATCH,
            keys={},
            ciphertext="none",
        ),
        Vector(
            name="typescript-sample",
            layout="samples-typescript encryption/src/encryption-codec.ts: Payload.encode().finish()",
            payload=encrypt(bare(SMALL), sample, "test-key-id"),
            expected=SMALL,
            keys=sample_keys,
            key_format="raw32",
        ),
        *(
            Vector(
                name=f"typescript-old-delimited-{kind}",
                layout="samples-typescript before 2022: Payload.encodeDelimited().finish()",
                payload=encrypt(encode_delimited(inner), sample, "test-key-id"),
                expected=inner,
                keys=sample_keys,
                key_format="raw32",
            )
            for kind, inner in {"json": SMALL, "long": BATCH, "null": NULL, "bytes": BYTES}.items()
        ),
        Vector(
            name="java-sample-extra-metadata",
            layout="samples-java CryptCodec: names the cipher, and the key id is the key itself",
            payload=encrypt(bare(SMALL), sample, SAMPLE_TEXT, **{"encryption-cipher": b"AES/GCM/NoPadding"}),
            expected=SMALL,
            keys={SAMPLE_TEXT: SAMPLE_TEXT},
            key_format="raw32",
        ),
        Vector(
            name="go-system-encrypted",
            layout="the older Go system, compression threshold above zero: encrypted first, zlib then gains nothing",
            payload=encrypt(bare(BATCH), go, "default"),
            expected=BATCH,
            keys=go_keys,
            key_format="raw32",
        ),
        Vector(
            name="go-system-zlib-around",
            layout="the older Go system, compression threshold zero: zlib around the encrypted payload",
            payload=compress(encrypt(bare(BATCH), go, "default")),
            expected=BATCH,
            keys=go_keys,
            key_format="raw32",
            ciphertext="inside zlib",
        ),
        *(
            Vector(
                name=f"trenova-{kind}",
                layout="this project: zlib if smaller and long enough, then encrypted",
                payload=encrypt(bare(inner), key, key_id),
                expected=expected,
                keys=ours,
            )
            for kind, inner, expected, key, key_id in (
                ("small", SMALL, SMALL, k1, "k1"),
                ("batch", compress(BATCH), BATCH, k1, "k1"),
                ("hex-key", SMALL, SMALL, k2, "k2"),
                ("text-key", SMALL, SMALL, text, "k3"),
            )
        ),
        Vector(
            name="encoded-twice",
            layout="this project's codec applied twice, under two keys: four layers, the most that are taken off",
            payload=encrypt(bare(compress(encrypt(bare(compress(BATCH)), k1, "k1"))), k2, "k2"),
            expected=BATCH,
            keys=ours,
        ),
    ]
    foreign = {
        "snappy": Payload(metadata={"encoding": b"binary/snappy"}, data=b"\x05\x10hello"),
        "go-system-gzip": Payload(
            metadata={"encoding": b"binary/gzip", "uncompressed-size": b"16"},
            data=gzip.compress(b'{"entries": [1]}', mtime=0),
        ),
        "fernet": Payload(metadata={"encoding": b"binary/encrypted-fernet"}, data=b"gAAAAAB"),
        "plain": SMALL,
        "external-storage": Payload(
            metadata={"encoding": b"json/protobuf", "messageType": b"temporal.api.sdk.v1.ExternalStorageReference"},
            data=b'{"driverName":"s3"}',
        ),
    }
    found += [
        Vector(
            name=f"passes-{name}",
            layout="an encoding this project does not know",
            payload=payload,
            expected=payload,
            keys=ours,
            ciphertext="none",
        )
        for name, payload in foreign.items()
    ]
    return found


def text_of(vector: Vector) -> str:
    document = {
        "layout": vector.layout,
        "keys": vector.keys,
        "keyFormat": vector.key_format,
        "ciphertext": vector.ciphertext,
        "payload": json_format.MessageToDict(vector.payload),
        "expected": json_format.MessageToDict(vector.expected),
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for vector in vectors():
        (FOLDER / f"{vector.name}.json").write_text(text_of(vector), encoding="utf-8")
