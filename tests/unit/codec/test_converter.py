from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
import pytest
from temporalio.api.common.v1 import Payload, WorkflowType
from temporalio.converter import DataConverter, DefaultFailureConverter, DefaultFailureConverterWithEncodedAttributes

from trenova.codec.compose import data_converter_for
from trenova.codec.converter import data_converter
from trenova.config import SecuritySettings
from trenova.keys.encryption import generate_key
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring

T = TypeVar("T")


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    entries: list[msgspec.Raw] = []


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


@dataclass
class Facts:
    n: int


EXACT = b'{"z": 1.50,   "a":"\\u00e9"}'
BATCH = Batch(id="b1", entries=[msgspec.Raw(EXACT)])
PLAIN = data_converter()


async def through(value: object, hint: object) -> object:
    payloads = await PLAIN.encode([value])
    (result,) = await PLAIN.decode(payloads, [hint])  # type: ignore[list-item]
    return result


@pytest.mark.parametrize("hint", [Batch, Batch | None])
async def test_a_struct_keeps_the_exact_bytes_of_its_raw_fields(hint: object) -> None:
    (payload,) = await PLAIN.encode([BATCH])
    assert payload.metadata["encoding"] == b"json/plain"
    assert EXACT in payload.data
    result = await through(BATCH, hint)
    assert isinstance(result, Batch)
    assert bytes(result.entries[0]) == EXACT


async def test_containers_of_structs_and_bare_raw_work_too() -> None:
    assert await through([BATCH], list[Batch]) == [BATCH]
    assert await through({"a": BATCH}, dict[str, Batch]) == {"a": BATCH}
    assert await through(Page(items=[1, 2]), Page[int]) == Page(items=[1, 2])
    raw = await through(msgspec.Raw(EXACT), msgspec.Raw)
    assert isinstance(raw, msgspec.Raw)
    assert bytes(raw) == EXACT


async def test_without_a_hint_a_struct_arrives_as_a_dict() -> None:
    payloads = await PLAIN.encode([Batch(id="b1")])
    assert await PLAIN.decode(payloads) == [{"id": "b1", "entries": []}]


@pytest.mark.parametrize(
    "value", [None, b"bytes", "text", 1, [1, {"a": None}], {"k": [1.5]}, Facts(n=1), WorkflowType(name="W")]
)
async def test_every_other_value_is_encoded_as_temporal_does(value: object) -> None:
    assert await PLAIN.encode([value]) == await DataConverter.default.encode([value])
    assert await through(value, type(value)) == value


async def test_a_payload_that_does_not_fit_says_where() -> None:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'{"id": 1}')
    with pytest.raises(RuntimeError) as caught:
        await PLAIN.decode([payload], [Batch])
    assert "$.id" in str(caught.value.__cause__)


def test_failures_are_encoded_exactly_when_encryption_is_on() -> None:
    on = SecuritySettings(enableEncryption=True)
    keyring = load_keyring(on, {"TEMPORAL_ENCRYPTION_KEY": generate_key().text})
    assert type(data_converter().failure_converter) is DefaultFailureConverter
    assert type(data_converter_for(SecuritySettings(), Keyring()).failure_converter) is DefaultFailureConverter
    secret = data_converter_for(on, keyring)
    assert type(secret.failure_converter) is DefaultFailureConverterWithEncodedAttributes
    assert data_converter(secret.payload_codec).failure_converter_class is DefaultFailureConverterWithEncodedAttributes
