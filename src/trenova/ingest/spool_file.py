"""The file of a spooled batch: a header, and the payload as it will be sent to Temporal."""

import hashlib
import struct
import uuid

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.common import Priority

from trenova.ingest.start import Parcel

MAGIC = b"TRNSPOOL"
VERSION = 1
# Magic, version, batch id, number of entries, length of the payload, SHA-256 of all these and of the payload.
HEADER_FIELDS = struct.Struct(">8sH16sIQ")
HEADER_BYTES = HEADER_FIELDS.size + hashlib.sha256().digest_size


class DamagedFile(Exception):
    """The file is not, byte for byte, what was written under its name. The message says what differs."""


def pack(parcel: Parcel) -> bytes:
    """The bytes of the file. It names no tenant, so a spooled batch takes no part in turns among tenants."""
    payload = parcel.payload.SerializeToString()
    facts = HEADER_FIELDS.pack(MAGIC, VERSION, uuid.UUID(parcel.batch_id).bytes, parcel.entries, len(payload))
    return facts + hashlib.sha256(facts + payload).digest() + payload


def unpack(batch_id: str, content: bytes) -> Parcel:
    """The batch that was written under this id. Raises DamagedFile for anything else."""
    if len(content) < HEADER_BYTES:
        raise DamagedFile(f"it has {len(content):,} bytes, a header has {HEADER_BYTES}")
    facts, checksum, payload = (
        content[: HEADER_FIELDS.size],
        content[HEADER_FIELDS.size : HEADER_BYTES],
        content[HEADER_BYTES:],
    )
    magic, version, id_, entries, length = HEADER_FIELDS.unpack(facts)
    if (magic, version) != (MAGIC, VERSION):
        raise DamagedFile(f"it is not a spool file of version {VERSION}")
    if len(payload) != length:
        raise DamagedFile(f"its payload has {len(payload):,} bytes, but {length:,} were written")
    if hashlib.sha256(facts + payload).digest() != checksum:
        raise DamagedFile("its checksum does not match its content")
    if str(uuid.UUID(bytes=id_)) != batch_id:
        raise DamagedFile("it has the name of another batch")
    try:
        return Parcel(batch_id=batch_id, entries=entries, payload=Payload.FromString(payload), fairness=Priority())
    except DecodeError:
        raise DamagedFile("its payload cannot be read as a Temporal payload") from None
