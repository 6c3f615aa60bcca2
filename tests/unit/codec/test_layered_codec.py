import asyncio
import contextlib
import json
import threading
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.converter import WorkflowSerializationContext

from trenova.codec.compose import data_converter_for, payload_codec
from trenova.codec.compression import Compression
from trenova.codec.encryption import Encryption
from trenova.codec.layer import OFF_LOOP_BYTES, apply_to_each
from trenova.codec.layered_codec import MAX_LAYERS, LayeredCodec
from trenova.config import SecuritySettings
from trenova.errors import DecryptionFailed, EncryptionKeyNotFound, InvalidPayload, PayloadError
from trenova.keys.encryption import generate_key
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring

ENVIRON = {"TEMPORAL_ENCRYPTION_KEY": generate_key().text, "TEMPORAL_ENCRYPTION_KEY_old": generate_key().text}
ON = SecuritySettings(enableEncryption=True)
KEYRING = load_keyring(ON, ENVIRON)
CODEC = payload_codec(ON, KEYRING)
TEXT = json.dumps([{"action": "shipment.update", "n": n} for n in range(200)]).encode()
BATCH = Payload(metadata={"encoding": b"json/plain"}, data=TEXT)
SMALL = Payload(metadata={"encoding": b"json/plain"}, data=b'"42"')


async def test_compressed_first_and_then_encrypted() -> None:
    (encoded,) = await CODEC.encode([BATCH])
    assert dict(encoded.metadata) == {"encoding": b"binary/encrypted", "encryption-key-id": b"default"}
    inner = Encryption(KEYRING).unwrap(encoded)
    assert dict(inner.metadata) == {"encoding": b"binary/zlib"}
    assert Payload.FromString(zlib.decompress(inner.data)) == BATCH
    assert encoded.ByteSize() < BATCH.ByteSize() / 5
    assert await CODEC.decode([encoded]) == [BATCH]


async def test_nothing_is_compressed_below_the_threshold_or_when_it_would_not_shrink() -> None:
    at = Compression(threshold_bytes=BATCH.ByteSize())
    above = Compression(threshold_bytes=BATCH.ByteSize() + 1)
    assert at.wrap(BATCH).metadata["encoding"] == b"binary/zlib"
    assert above.wrap(BATCH) is BATCH
    noise = Payload(metadata={"encoding": b"binary/plain"}, data=generate_key().text.encode())
    assert Compression(threshold_bytes=0).wrap(noise) is noise


async def test_ciphertext_and_zlib_are_never_compressed_again() -> None:
    always = Compression(threshold_bytes=0)
    for encoding in (b"binary/encrypted", b"binary/zlib"):
        marked = Payload(metadata={"encoding": encoding}, data=bytes(10_000))
        assert always.wrap(marked) is marked


async def test_a_payload_that_only_claims_to_be_encrypted_is_encrypted_anyway() -> None:
    claim = Payload(metadata={"encoding": b"binary/encrypted", "encryption-key-id": b"default"}, data=b"in the clear")
    (encoded,) = await CODEC.encode([claim])
    assert b"in the clear" not in encoded.SerializeToString()


async def test_two_encodings_of_one_payload_share_no_nonce() -> None:
    encoded = await CODEC.encode([SMALL] * 100)
    assert len({payload.data[:12] for payload in encoded}) == 100


async def test_every_key_decrypts_whichever_encrypts_and_whatever_is_on() -> None:
    old = SecuritySettings(enableEncryption=True, encryptionKeyID="old")
    encoded = await payload_codec(old, load_keyring(old, ENVIRON)).encode([BATCH, SMALL])
    off = SecuritySettings(enableCompression=False)
    assert await payload_codec(off, load_keyring(off, ENVIRON)).decode(encoded) == [BATCH, SMALL]
    assert await payload_codec(off, load_keyring(off, ENVIRON)).encode([BATCH, SMALL]) == [BATCH, SMALL]


async def test_the_sender_s_payload_is_not_modified() -> None:
    before = BATCH.SerializeToString(deterministic=True)
    (encoded,) = await CODEC.encode([BATCH])
    sealed = encoded.SerializeToString(deterministic=True)
    await CODEC.decode([encoded])
    bare = Payload()
    await CODEC.decode([bare])
    assert BATCH.SerializeToString(deterministic=True) == before
    assert encoded.SerializeToString(deterministic=True) == sealed
    assert bare.SerializeToString() == b""


async def test_at_most_four_layers_are_unwrapped() -> None:
    encryption = Encryption(KEYRING)
    payload = SMALL
    for _ in range(MAX_LAYERS):
        payload = encryption.wrap(payload)
    assert await CODEC.decode([payload]) == [SMALL]
    with pytest.raises(InvalidPayload, match="more than 4 layers"):
        await CODEC.decode([encryption.wrap(payload)])


async def test_a_bomb_is_an_error_and_takes_no_memory() -> None:
    small = 1024 * 1024
    bomb = zlib.compress(Payload(data=bytes(30 * small)).SerializeToString(), 9)
    codec = LayeredCodec(encoding=[], decoding=[Compression(max_decompressed_bytes=small)])
    marked = Payload(metadata={"encoding": b"binary/zlib"}, data=bomb)
    tracemalloc.start()
    with pytest.raises(InvalidPayload, match=f"{len(bomb)} bytes decompresses to more than {small} bytes"):
        await codec.decode([marked])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * small


async def test_a_payload_of_exactly_the_limit_is_decoded() -> None:
    payload = Payload(data=bytes(5000))
    marked = Compression(threshold_bytes=0).wrap(payload)
    limit = payload.ByteSize()
    assert await Compression(max_decompressed_bytes=limit).decode([marked]) == [payload]
    with pytest.raises(InvalidPayload):
        await Compression(max_decompressed_bytes=limit - 1).decode([marked])


@pytest.mark.parametrize(
    "data",
    [b"", b"x", zlib.compress(TEXT)[:-1], zlib.compress(b"") + b"more", zlib.compress(b"\xff\xff no protobuf")],
    ids=["empty", "no zlib", "cut", "trailing", "no payload"],
)
async def test_a_broken_zlib_payload_is_an_invalid_payload(data: bytes) -> None:
    with pytest.raises(InvalidPayload):
        await CODEC.decode([Payload(metadata={"encoding": b"binary/zlib"}, data=data)])


async def test_encrypting_without_an_encrypting_key_is_an_error() -> None:
    with pytest.raises(EncryptionKeyNotFound, match=r"ID: \(none\); this program holds no key"):
        Encryption(Keyring()).wrap(SMALL)


async def test_an_id_in_an_error_is_printable_and_short() -> None:
    hostile = b"\x1b[31m\xff\n" + b"x" * 500
    payload = Payload(metadata={"encoding": b"binary/encrypted", "encryption-key-id": hostile}, data=bytes(40))
    with pytest.raises(EncryptionKeyNotFound) as caught:
        await CODEC.decode([payload])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


async def test_big_payloads_leave_the_event_loop_and_small_ones_do_not() -> None:
    seen: list[bool] = []

    def where(payload: Payload) -> Payload:
        seen.append(threading.current_thread() is threading.main_thread())
        return payload

    await apply_to_each(where, [Payload(data=bytes(OFF_LOOP_BYTES - 100))])
    await apply_to_each(where, [Payload(data=bytes(OFF_LOOP_BYTES))])
    await apply_to_each(where, [Payload(data=bytes(OFF_LOOP_BYTES // 2))] * 2)
    assert seen == [True, False, False, False]


async def test_many_tasks_share_one_codec() -> None:
    payloads = [Payload(metadata={"encoding": b"json/plain"}, data=TEXT + str(n).encode()) for n in range(50)]

    async def there_and_back(payload: Payload) -> Payload:
        return (await CODEC.decode(await CODEC.encode([payload])))[0]

    assert await asyncio.gather(*(there_and_back(payload) for payload in payloads)) == payloads


METADATA = st.dictionaries(st.sampled_from(["encoding", "encryption-key-id", "messageType", "x"]), st.binary())
PAYLOADS = st.builds(lambda metadata, data: Payload(metadata=metadata, data=data), METADATA, st.binary())


@given(st.lists(PAYLOADS, max_size=5), st.integers(0, 200), st.booleans(), st.booleans())
async def test_every_payload_survives_encoding_and_decoding(
    payloads: list[Payload],
    threshold: int,
    encrypt: bool,  # noqa: FBT001
    compress: bool,  # noqa: FBT001
) -> None:
    security = SecuritySettings(enableEncryption=encrypt, enableCompression=compress, compressionThreshold=threshold)
    codec = payload_codec(security, KEYRING)
    never_sent = {b"binary/zlib", b"binary/encrypted", b"trenova/unread"}
    plain = [payload for payload in payloads if payload.metadata.get("encoding") not in never_sent]
    assert await codec.decode(await codec.encode(plain)) == plain


@given(
    st.sampled_from([b"binary/encrypted", b"binary/zlib", b"json/plain", b""]),
    st.sampled_from([b"default", b"old", b"gone", b"\xff", b""]),
    st.binary() | st.binary().map(zlib.compress) | PAYLOADS.map(lambda inner: zlib.compress(inner.SerializeToString())),
    st.booleans(),
)
@settings(max_examples=500)
async def test_any_invalid_bytes_raise_a_payload_error(
    encoding: bytes,
    key_id: bytes,
    data: bytes,
    strict: bool,  # noqa: FBT001
) -> None:
    codec = payload_codec(SecuritySettings(enableEncryption=True, requireEncryption=strict), KEYRING)
    payload = Payload(metadata={"encoding": encoding, "encryption-key-id": key_id}, data=data)
    refusal = None
    try:
        await codec.decode([payload])
    except PayloadError as err:
        refusal = err
    assert refusal is None or (str(refusal).isprintable() and refusal.hint)


@given(st.binary(max_size=400))
@settings(max_examples=300)
async def test_whatever_a_key_holder_encrypts_gives_a_payload_or_invalid_payload(inner: bytes) -> None:
    """The holder of a key can be wrong too: what is inside need not be a payload."""
    (sealed,) = await Encryption(KEYRING).encode([Payload(data=b"")])
    cipher = Encryption(KEYRING).cipher(b"default")
    sealed.data = sealed.data[:12] + cipher.encrypt(sealed.data[:12], inner, None)
    with contextlib.suppress(InvalidPayload, DecryptionFailed, EncryptionKeyNotFound):
        await CODEC.decode([sealed])


async def test_an_undecodable_payload_stops_a_run_of_a_schedule_only_when_it_is_read() -> None:
    (held,) = await CODEC.encode([SMALL])
    other = data_converter_for(ON, load_keyring(ON, {"TEMPORAL_ENCRYPTION_KEY": generate_key().text}))
    for workflow_id in ("audit-batch-1", "trenova-verifying", "trenova"):
        converter = other.with_context(WorkflowSerializationContext(namespace="n", workflow_id=workflow_id))
        assert converter is other
        with pytest.raises(DecryptionFailed):
            await converter.payload_codec.decode([held])  # type: ignore[union-attr]
    converter = other.with_context(WorkflowSerializationContext(namespace="n", workflow_id="trenova-verify-2026"))
    assert converter.payload_codec is not None
    unread, readable = await converter.payload_codec.decode([held, SMALL])
    assert readable == SMALL
    with pytest.raises(PayloadError, match="decryption failed with the key ID: default"):
        converter.payload_converter.from_payloads([unread])
    # It is made here and never sent: from elsewhere it would say what others want it to say.
    with pytest.raises(InvalidPayload, match="an encoding that is only used internally"):
        await CODEC.decode([unread])
