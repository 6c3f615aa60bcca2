"""Payloads in every known layout, from files that `vectors/make_vectors.py` wrote without using this project's code."""

import importlib.util
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.codec.compose import payload_codec
from trenova.config import SecuritySettings
from trenova.errors import DecryptionFailed, EncryptionKeyNotFound, PlaintextRefused
from trenova.keys.loading import load_keyring

FOLDER = Path(__file__).with_name("vectors")


@dataclass(frozen=True, kw_only=True)
class Vector:
    name: str
    keys: dict[str, str]
    key_format: Any
    ciphertext: str
    payload: Payload
    expected: Payload

    def codec(self, *, keys: dict[str, str] | None = None, strict: bool = False) -> PayloadCodec:
        held = self.keys if keys is None else keys
        environ = {f"TEMPORAL_ENCRYPTION_KEY_{key_id}": text for key_id, text in held.items()}
        reading = SecuritySettings(keyFormat=self.key_format)
        keyring = load_keyring(reading, environ)
        return payload_codec(SecuritySettings(keyFormat=self.key_format, requireEncryption=strict), keyring)


def read(path: Path) -> Vector:
    document = json.loads(path.read_text(encoding="utf-8"))
    return Vector(
        name=path.stem,
        keys=document["keys"],
        key_format=document["keyFormat"],
        ciphertext=document["ciphertext"],
        payload=json_format.ParseDict(document["payload"], Payload()),
        expected=json_format.ParseDict(document["expected"], Payload()),
    )


VECTORS = [read(path) for path in sorted(FOLDER.glob("*.json"))]
ENCRYPTED = [vector for vector in VECTORS if vector.ciphertext != "none"]
named = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
encrypted = pytest.mark.parametrize("vector", ENCRYPTED, ids=lambda vector: vector.name)


@named
async def test_every_known_layout_decodes_to_the_original_payload(vector: Vector) -> None:
    assert await vector.codec().decode([vector.payload]) == [vector.expected]


@encrypted
async def test_one_flipped_byte_anywhere_in_encrypted_data_gives_decryption_failed(vector: Vector) -> None:
    codec = vector.codec()
    for position in range(len(encrypt(vector.payload, vector).data)):
        with pytest.raises(DecryptionFailed, match="decryption failed with the key ID: "):
            await codec.decode([with_flipped_bit(vector, position)])


@encrypted
async def test_encrypted_data_truncated_at_any_byte_gives_decryption_failed(vector: Vector) -> None:
    codec = vector.codec()
    inner = encrypt(vector.payload, vector)
    for length in range(len(inner.data)):
        cut = Payload(metadata=inner.metadata, data=inner.data[:length])
        with pytest.raises(DecryptionFailed):
            await codec.decode([wrap_in_layers(cut, vector)])


@encrypted
async def test_without_the_key_the_error_names_its_id(vector: Vector) -> None:
    key_id = encrypt(vector.payload, vector).metadata["encryption-key-id"].decode()
    with pytest.raises(EncryptionKeyNotFound, match="encryption key not found for ID: ") as caught:
        await vector.codec(keys={"other": "x" * 40}).decode([vector.payload])
    assert f"encryption key not found for ID: {key_id}" in str(caught.value)
    assert "TEMPORAL_ENCRYPTION_KEY" in str(caught.value)
    assert "holds other" in str(caught.value)


@encrypted
async def test_another_key_under_the_id_gives_decryption_failed_and_shows_no_key(vector: Vector) -> None:
    wrong = "not the key that the sender used, but long enough"
    with pytest.raises(DecryptionFailed) as caught:
        await vector.codec(keys=dict.fromkeys(vector.keys, wrong)).decode([vector.payload])
    assert wrong not in str(caught.value)
    assert "trenova keys check" in str(caught.value)


@named
async def test_strict_mode_accepts_encrypted_payloads_and_refuses_plain_ones(vector: Vector) -> None:
    codec = vector.codec(strict=True)
    if vector.ciphertext != "none":
        assert await codec.decode([vector.payload]) == [vector.expected]
        return
    with pytest.raises(PlaintextRefused, match="requireEncryption is on; its sender has encryption off"):
        await codec.decode([vector.payload])


def test_the_script_writes_exactly_the_checked_in_files() -> None:
    spec = importlib.util.spec_from_file_location("make_vectors", FOLDER / "make_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "make_vectors", script)
        spec.loader.exec_module(script)
        made = {vector.name: script.text_of(vector) for vector in script.vectors()}
    kept = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    # zlib streams may differ between builds of zlib: what counts is that the same vectors say the same things.
    assert made.keys() == kept.keys()
    assert [json.loads(made[name])["expected"] for name in made] == [
        json.loads(kept[name])["expected"] for name in made
    ]
    assert {"python-sample-json", "go-system-zlib-around", "typescript-old-delimited-json"} <= kept.keys()


def encrypt(payload: Payload, vector: Vector) -> Payload:
    """The payload whose data is the ciphertext: the vector's own, or the one inside its zlib."""
    if vector.ciphertext == "inside zlib":
        return Payload.FromString(zlib.decompress(payload.data))
    return payload


def wrap_in_layers(inner: Payload, vector: Vector) -> Payload:
    if vector.ciphertext == "inside zlib":
        return Payload(metadata=vector.payload.metadata, data=zlib.compress(inner.SerializeToString()))
    return inner


def with_flipped_bit(vector: Vector, position: int) -> Payload:
    inner = encrypt(vector.payload, vector)
    data = bytearray(inner.data)
    data[position] ^= 1 << (position % 8)
    return wrap_in_layers(Payload(metadata=inner.metadata, data=bytes(data)), vector)
