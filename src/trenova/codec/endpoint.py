"""Temporal's remote codec protocol without its HTTP: protobuf-JSON `Payloads` in, the same out.

Whoever may call `decode` can read everything; who guards the door is the caller's business. Give it a codec without
`require_encryption`, or plain payloads of old workflows cannot be looked at.
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


# The three messages in protobuf's JSON, read by msgspec: eight times as fast as protobuf's own reader, which besides
# drops signs that are no base64 and so answers with other bytes than it was sent. A field that is not known here is
# refused, not dropped.
class ExternalPayloadJSON(msgspec.Struct, forbid_unknown_fields=True):
    sizeBytes: str | int = "0"  # noqa: N815 - protobuf's name; it writes 64-bit numbers as text


class PayloadJSON(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    metadata: dict[str, bytes] = {}
    data: bytes = b""
    externalPayloads: list[ExternalPayloadJSON] = []  # noqa: N815


class PayloadsJSON(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    payloads: list[PayloadJSON] = []


# A batch of ours has 2 MiB. Each byte is held several times over until the answer is written.
MAX_DECODED_BYTES = 16 * MIB
MAX_PAYLOADS = 1_000
# Braces and commas: each begins something that takes a hundred times its place in the text once it is read.
MAX_PARTS = 20 * MAX_PAYLOADS


async def encode(codec: PayloadCodec, body: bytes) -> bytes:
    """`body` with every payload encoded. Raises InvalidRequest for what is no protobuf-JSON `Payloads`."""
    return write_payloads(await codec.encode(read_payloads(body)))


async def decode(codec: LayeredCodec, body: bytes, *, explain: bool = False) -> bytes:
    """`body` with every payload decoded. Raises InvalidRequest, and PayloadError for a payload that cannot be read.

    Raises RequestTooLarge for more than MAX_PAYLOADS, and once they become more than MAX_DECODED_BYTES together.

    With `explain`, such a payload becomes a `json/plain` text that starts with "cannot be read: " and the others are
    decoded: Temporal's Web UI shows no error of an endpoint, only the ciphertext, as if nobody had answered.
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
    # Beside msgspec's own errors, protobuf refuses half surrogates in a name and sizes of more than 64 bits.
    except ValueError:
        raise InvalidRequest(
            "the body is no protobuf-JSON Payloads",
            hint='expected {"payloads": [{"metadata": {"encoding": "<base64>"}, "data": "<base64>"}]}',
        ) from None


def too_many(found: str) -> RequestTooLarge:
    return RequestTooLarge(f"the request holds {found}", hint="send them in several requests")


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
