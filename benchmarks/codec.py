"""One batch of 500 real entries through our data converter and through the published sample's, side by side.

Run: python benchmarks/codec.py /path/to/cloudtrail.ndjson.gz [rounds]

Ours: msgspec with the entries' exact bytes, zlib, AES-256-GCM, in a thread. The sample's (samples-python,
`encryption/`): a list of dicts through `json`, AES-256-GCM only, on the event loop. Rounds alternate and the medians
are printed, so that a machine that slows down slows both. `encode` and `decode` are from value to payload and back,
`codec out` and `codec in` the codec alone, over the size of the plain payload. `stall` is the longest time that the
event loop was blocked while a batch was encoded and decoded: then a worker does not poll, and an API does not answer.
"""

import asyncio
import gzip
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

from trenova.codec.compose import data_converter_for
from trenova.config import SecuritySettings
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring

ENTRIES = 500
ROUNDS = 31
TICK_S = 0.0005


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Like the input of the workflow: entries in their canonical bytes."""

    entries: list[msgspec.Raw]


class SampleCodec(PayloadCodec):
    """What samples-python `encryption/codec.py` does."""

    def __init__(self) -> None:
        self.encryptor = AESGCM(b"test-key-test-key-test-key-test!")

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"binary/encrypted", "encryption-key-id": b"test-key-id"},
                data=self.encrypt(payload.SerializeToString()),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(self.encryptor.decrypt(p.data[:12], p.data[12:], None)) for p in payloads]

    def encrypt(self, data: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self.encryptor.encrypt(nonce, data, None)


async def stall_while(work: Any) -> tuple[Any, float, float]:
    """What `work` gives, the seconds it took, and the longest gap between two ticks of the loop."""
    longest, done = 0.0, False

    async def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not done:
            await asyncio.sleep(TICK_S)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(TICK_S)
    start = time.perf_counter()
    result = await work
    took = time.perf_counter() - start
    await asyncio.sleep(0)
    done = True
    await ticker
    return result, took, longest


async def measure(converter: DataConverter, value: Any, hint: Any) -> dict[str, float]:
    codec = converter.payload_codec
    assert codec is not None
    payloads, encode_s, encode_stall_s = await stall_while(converter.encode([value]))
    _, decode_s, decode_stall_s = await stall_while(converter.decode(payloads, [hint]))
    plain = converter.payload_converter.to_payloads([value])
    start = time.perf_counter()
    encoded = await codec.encode(plain)
    middle = time.perf_counter()
    await codec.decode(encoded)
    end = time.perf_counter()
    return {
        "encode_ms": encode_s * 1e3,
        "decode_ms": decode_s * 1e3,
        "stall_ms": max(encode_stall_s, decode_stall_s) * 1e3,
        "codec_out_mb_s": plain[0].ByteSize() / (middle - start) / 1e6,
        "codec_in_mb_s": plain[0].ByteSize() / (end - middle) / 1e6,
        "plain_kb": plain[0].ByteSize() / 1e3,
        "sent_kb": encoded[0].ByteSize() / 1e3,
    }


def read(path: Path) -> list[bytes]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = [line for line in content.splitlines() if line.strip()]
    return [lines[n % len(lines)] for n in range(ENTRIES)]


async def main(name: str, lines: list[bytes], rounds: int) -> None:
    print(f"{ENTRIES} entries of {name} ({len(set(lines))} of them different), {rounds} alternating rounds, medians")
    ours_security = SecuritySettings(enableEncryption=True)
    keyring = load_keyring(ours_security, {"TEMPORAL_ENCRYPTION_KEY": generate_key().text})
    ours = data_converter_for(ours_security, keyring), Batch(entries=[msgspec.Raw(line) for line in lines]), Batch
    sample = DataConverter(payload_codec=SampleCodec()), [json.loads(line) for line in lines], list[dict[str, Any]]
    results: dict[str, list[dict[str, float]]] = {"trenova": [], "sample": []}
    for _ in range(rounds):
        results["trenova"].append(await measure(*ours))
        results["sample"].append(await measure(*sample))
    print(f"{'':16}{'trenova':>12}{'sample':>12}")
    for figure in results["trenova"][0]:
        columns = (statistics.median(one[figure] for one in results[side]) for side in ("trenova", "sample"))
        print(f"{figure:16}" + "".join(f"{column:12.1f}" for column in columns))
    plain, sent = (statistics.median(one[figure] for one in results["trenova"]) for figure in ("plain_kb", "sent_kb"))
    print(f"compressed and encrypted, the batch has {plain / sent:.1f} times fewer bytes than in plain text")


if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004 - the program and its one argument
        sys.exit(f"usage: {sys.argv[0]} cloudtrail.ndjson[.gz] [rounds]")
    source = Path(sys.argv[1])
    asyncio.run(main(source.name, read(source), int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS))  # noqa: PLR2004
