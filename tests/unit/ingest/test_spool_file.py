"""A spool file is read exactly as it was written, or not at all."""

import uuid

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import Priority

from trenova.ingest.spool_file import HEADER_BYTES, DamagedFile, pack, unpack
from trenova.ingest.start import Parcel

ID = "0198c0de-0000-7000-8000-000000000001"
PARCEL = Parcel(
    batch_id=ID,
    entries=3,
    payload=Payload(metadata={"encoding": b"binary/encrypted"}, data=bytes(range(64))),
    fairness=Priority(fairness_key="acme"),
)


def test_a_file_has_a_header_of_70_bytes_and_the_payload_as_temporal_gets_it() -> None:
    content = pack(PARCEL)
    payload = PARCEL.payload.SerializeToString()
    assert content[:38] == (
        b"TRNSPOOL" + b"\0\x01" + uuid.UUID(ID).bytes + b"\0\0\0\x03" + len(payload).to_bytes(8, "big")
    )
    assert content[HEADER_BYTES:] == payload


def test_a_batch_is_read_without_its_tenant_which_the_file_does_not_name() -> None:
    parcel = unpack(ID, pack(PARCEL))
    assert (parcel.batch_id, parcel.entries, parcel.payload) == (ID, 3, PARCEL.payload)
    assert parcel.fairness == Priority()
    assert b"acme" not in pack(PARCEL)


def test_a_file_that_is_shorter_or_longer_or_differs_in_a_byte_is_damaged() -> None:
    content = pack(PARCEL)
    broken = [content[:end] for end in range(len(content))]
    broken += [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(len(content))]
    for each in (*broken, content + b"\0"):
        with pytest.raises(DamagedFile):
            unpack(ID, each)


def test_a_file_under_another_name_is_not_that_batch() -> None:
    with pytest.raises(DamagedFile, match="the name of another batch"):
        unpack(ID.replace("1", "2"), pack(PARCEL))
