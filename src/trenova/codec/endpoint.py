"""Temporal's remote codec protocol without the HTTP part: protobuf-JSON `Payloads` in, the same out.

Whoever may call `decode` can read everything; access control is up to the caller. Use a codec without
`require_encryption`, so that plain payloads of old workflows can be shown.
"""

import json
from collections.abc import Sequence

import msgspec
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from trenova.codec.layer import ENCODING, Budget
from trenova.codec.layered_codec import LayeredCodec
from trenova.config import MIB
from trenova.errors import DecodedTooLarge, InvalidRequest, PayloadError, RequestTooLarge


# The three messages in protobuf's JSON form. msgspec reads them eight times as fast as protobuf does; protobuf also
# drops characters that are not base64, and would answer with other bytes than it received. Unknown fields are errors.
class ExternalPayloadJSON(msgspec.Struct, forbid_unknown_fields=True):
    sizeBytes: str | int = "0"  # noqa: N815 - protobuf's name; it writes 64-bit numbers as text


class PayloadJSON(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    metadata: dict[str, bytes] = {}
    data: bytes = b""
    externalPayloads: list[ExternalPayloadJSON] = []  # noqa: N815


class PayloadsJSON(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    payloads: list[PayloadJSON] = []


# A batch of ours has at most 2 MiB. Each byte is in memory several times until the answer is written.
MAX_DECODED_BYTES = 16 * MIB
MAX_PAYLOADS = 1_000
# Braces and commas: each begins an object or field that takes a hundred times as much memory as text.
MAX_PARTS = 20 * MAX_PAYLOADS


async def encode(codec: PayloadCodec, body: bytes) -> bytes:
    """`body` with every payload encoded. Raises InvalidRequest unless it is a protobuf-JSON `Payloads`."""
    return write_payloads(await codec.encode(read_payloads(body)))


async def decode(codec: LayeredCodec, body: bytes, *, explain: bool = False) -> bytes:
    """`body` with every payload decoded. Raises InvalidRequest, and PayloadError for a payload that cannot be read.

    Raises RequestTooLarge for more than MAX_PAYLOADS payloads, or more than MAX_DECODED_BYTES after decoding.

    With `explain`, an unreadable payload becomes a `json/plain` text that starts with "cannot be read: ", and the
    others are decoded: for an error, Temporal's Web UI shows only the ciphertext, as if the endpoint were unreachable.
    """
    payloads = read_payloads(body)
    budget = Budget(MAX_DECODED_BYTES)
    try:
        if not explain:
            return write_payloads(await codec.decode_within(budget, payloads))
        return write_payloads([await decode_or_explain(codec, budget, payload) for payload in payloads])
    except DecodedTooLarge as error:
        raise RequestTooLarge(error.message, hint=error.hint) from None


async def decode_or_explain(codec: LayeredCodec, budget: Budget, payload: Payload) -> Payload:
    try:
        return (await codec.decode_within(budget, [payload]))[0]
    except DecodedTooLarge:
        raise
    except PayloadError as err:
        return Payload(metadata={ENCODING: b"json/plain"}, data=json.dumps(f"cannot be read: {err}").encode())


def read_payloads(body: bytes) -> list[Payload]:
    if sum(map(body.count, (b"{", b","))) > MAX_PARTS:
        raise too_many(f"more than {MAX_PARTS:,} objects and fields")
    try:
        document = msgspec.json.decode(body, type=PayloadsJSON)
        if len(document.payloads) > MAX_PAYLOADS:
            raise too_many(f"{len(document.payloads):,} payloads, the limit is {MAX_PAYLOADS:,}")
        return [
            Payload(
                metadata=item.metadata,
                data=item.data,
                external_payloads=[
                    Payload.ExternalPayloadDetails(size_bytes=int(one.sizeBytes)) for one in item.externalPayloads
                ],
            )
            for item in document.payloads
        ]
    # From msgspec; or from protobuf, for half surrogates in a name and sizes of more than 64 bits.
    except ValueError:
        raise InvalidRequest(
            "the body is not a protobuf-JSON Payloads message",
            hint='expected {"payloads": [{"metadata": {"encoding": "<base64>"}, "data": "<base64>"}]}',
        ) from None


def too_many(content: str) -> RequestTooLarge:
    return RequestTooLarge(f"the request holds {content}", hint="send them in several requests")


def write_payloads(payloads: Sequence[Payload]) -> bytes:
    items = [
        PayloadJSON(
            metadata=dict(payload.metadata),
            data=payload.data,
            externalPayloads=[ExternalPayloadJSON(sizeBytes=str(one.size_bytes)) for one in payload.external_payloads],
        )
        for payload in payloads
    ]
    return msgspec.json.encode(PayloadsJSON(payloads=items))
