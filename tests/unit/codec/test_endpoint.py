import json
import zlib
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload, Payloads

from trenova.codec.compose import payload_codec
from trenova.codec.endpoint import MAX_DECODED_BYTES, MAX_PAYLOADS, decode, encode
from trenova.config import SecuritySettings
from trenova.errors import DecryptionFailed, InvalidRequest, PayloadError, RequestTooLarge
from trenova.keys.encryption import generate_key
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring

ON = SecuritySettings(enableEncryption=True)
CODEC = payload_codec(ON, load_keyring(ON, {"TEMPORAL_ENCRYPTION_KEY": generate_key().text}))
# As `temporal workflow execute --input '{"a":1}'` posts it: base64 of json/plain and of the data.
BODY = b'{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"eyJhIjoxfQ=="}]}'


async def test_a_request_of_the_temporal_cli_survives_encoding_and_decoding() -> None:
    encoded = await encode(CODEC, BODY)
    (payload,) = json.loads(encoded)["payloads"]
    assert payload["metadata"] == {"encoding": "YmluYXJ5L2VuY3J5cHRlZA==", "encryption-key-id": "ZGVmYXVsdA=="}
    assert json.loads(await decode(CODEC, encoded)) == json.loads(BODY)


async def test_every_field_of_a_payload_is_preserved_and_an_unknown_one_is_invalid() -> None:
    external = Payload(metadata={"encoding": b"x"}, data=b"y")
    external.external_payloads.add(size_bytes=2**40)
    plain = payload_codec(SecuritySettings(enableCompression=False), Keyring())
    answer = await decode(plain, json_format.MessageToJson(Payloads(payloads=[external])).encode())
    assert list(json_format.Parse(answer, Payloads()).payloads) == [external]
    with pytest.raises(InvalidRequest):
        await decode(plain, b'{"payloads":[{"data":"YQ==","invented":1}]}')


async def test_an_empty_list_stays_an_empty_list() -> None:
    assert json.loads(await encode(CODEC, b"{}")) == {}
    assert json.loads(await decode(CODEC, b'{"payloads":[]}')) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"payloads": 1}',
        b'{"secret": 1}',
        b'{"payloads":[{"data":"%%%"}]}',
        b"[" * 100_000,
        b'{"payloads":[{"metadata":{"\\ud800":"YQ=="}}]}',
        b'{"payloads":[{"externalPayloads":[{"sizeBytes":"x"}]}]}',
        b'{"payloads":[{"externalPayloads":[{"sizeBytes":99999999999999999999}]}]}',
    ],
)
async def test_a_body_without_payloads_is_an_invalid_request(body: bytes) -> None:
    for way in (encode, decode):
        with pytest.raises(InvalidRequest, match="not a protobuf-JSON Payloads message") as caught:
            await way(CODEC, body)
        assert "secret" not in str(caught.value)


async def test_an_unreadable_payload_fails_the_call_or_is_replaced_by_an_explanation() -> None:
    encoded = await CODEC.encode([Payload(metadata={"encoding": b"json/plain"}, data=b'"one"')] * 2)
    encoded[0].data = encoded[0].data[:-1] + bytes([encoded[0].data[-1] ^ 1])
    body = json_format.MessageToJson(Payloads(payloads=encoded)).encode()
    with pytest.raises(DecryptionFailed):
        await decode(CODEC, body)
    answer = json_format.Parse(await decode(CODEC, body, explain=True), Payloads())
    assert answer.payloads[0].metadata["encoding"] == b"json/plain"
    assert json.loads(answer.payloads[0].data).startswith("cannot be read: decryption failed with the key ID: default")
    assert json.loads(answer.payloads[1].data) == "one"


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.dictionaries(st.sampled_from(["payloads", "metadata", "data", "encoding"]), inner) | st.lists(inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
async def test_any_body_gets_an_answer_or_an_invalid_request(body: bytes) -> None:
    for way in (encode, decode):
        try:
            await way(CODEC, body)
        except (InvalidRequest, PayloadError):
            continue


def request_of(*payloads: Payload) -> bytes:
    return json_format.MessageToJson(Payloads(payloads=payloads)).encode()


def bomb(size: int) -> Payload:
    """A few bytes that become so many."""
    inner = Payload(metadata={"encoding": b"binary/plain"}, data=bytes(size))
    return Payload(metadata={"encoding": b"binary/zlib"}, data=zlib.compress(inner.SerializeToString(), 9))


@pytest.mark.parametrize("explain", [True, False])
async def test_payloads_too_large_together_are_an_error_that_names_the_limit(explain: bool) -> None:  # noqa: FBT001
    sent = request_of(*[bomb(MAX_DECODED_BYTES // 5)] * 6)
    assert len(sent) < 100_000
    with pytest.raises(RequestTooLarge, match="16,777,216"):
        await decode(CODEC, sent, explain=explain)


async def test_the_size_between_two_layers_counts_too() -> None:
    inner = bomb(MAX_DECODED_BYTES // 2)
    padded = Payload(metadata=inner.metadata, data=inner.data)
    padded.metadata["padding"] = bytes(MAX_DECODED_BYTES // 2)
    nested = Payload(metadata=inner.metadata, data=zlib.compress(padded.SerializeToString(), 9))
    with pytest.raises(RequestTooLarge):
        await decode(CODEC, request_of(nested), explain=True)


async def test_payloads_within_the_limit_are_decoded() -> None:
    answer = json.loads(await decode(CODEC, request_of(*[bomb(MAX_DECODED_BYTES // 7)] * 6), explain=True))
    assert len(answer["payloads"]) == 6


TOO_MANY = {
    "payloads": b'{"payloads":[' + b"{}," * MAX_PAYLOADS + b"{}]}",
    "objects": b'{"payloads":[' + b"{}," * 2_000_000 + b"{}]}",
    "fields": b'{"payloads":[{"metadata":{' + b'"a":"",' * 1_000_000 + b'"b":""}}]}',
}


@pytest.mark.parametrize("body", TOO_MANY.values(), ids=TOO_MANY)
@pytest.mark.parametrize("way", [encode, decode])
async def test_too_many_objects_are_an_error_that_names_the_limit(way: Any, body: bytes) -> None:
    with pytest.raises(RequestTooLarge, match=r"1,000|20,000"):
        await way(CODEC, body)
