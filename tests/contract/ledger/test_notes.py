"""Notes, keys, checkpoints and cosignatures that other people published."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from trenova.errors import InvalidConfiguration, VerificationError
from trenova.ledger import checkpoint, note, signing, verify

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "notes.json").read_text())
SIGNED: list[dict[str, Any]] = VECTORS["signed"]
PETER = SIGNED[0]
WITNESSED = SIGNED[4]


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: str(case["source"]))
def test_a_published_note_verifies_with_its_published_key(case: dict[str, Any]) -> None:
    key = note.parse_key(case["key"])
    parsed = note.parse(case["note"].encode())
    assert verify.signatures(parsed, keys=[key], check=signing.check) == (key,)
    assert parsed.encode() == case["note"].encode()
    assert key.text == case["key"]


@pytest.mark.parametrize(
    "case", [case for case in SIGNED if "checkpoint" in case], ids=lambda case: str(case["source"])
)
def test_a_published_checkpoint_reads_as_its_publisher_means_it(case: dict[str, Any]) -> None:
    key, expected = note.parse_key(case["key"]), case["checkpoint"]
    message, keys = case["note"].encode(), [key]
    if key.name == expected["origin"]:
        head = verify.signed_checkpoint(message, origin=expected["origin"], keys=keys, check=signing.check)
    else:  # the Go checksum database, whose key has another name than its log: of no log of ours
        with pytest.raises(VerificationError, match="expected a key of the ledger"):
            verify.signed_checkpoint(message, origin=expected["origin"], keys=keys, check=signing.check)
        head = checkpoint.parse(note.parse(message).text)
    assert (head.origin, head.size, head.root) == (expected["origin"], expected["size"], b64decode(expected["root"]))


def test_signing_gives_the_published_bytes() -> None:
    signer = signing.parse_signer(PETER["secret"])
    text = note.parse(PETER["note"].encode()).text
    assert signing.sign_text(text, [signer]) == PETER["note"].encode()
    assert signer.secret_text == PETER["secret"]
    assert signer.key.text == PETER["key"]
    assert "YEKFALVFGyNh" not in repr(signer)


@pytest.mark.parametrize(("secret", "key"), VECTORS["key_pairs"])
def test_published_key_pairs_belong_together(secret: str, key: str) -> None:
    assert signing.parse_signer(secret).key == note.parse_key(key)


def test_every_witness_of_a_real_checkpoint_is_recognised() -> None:
    keys = [note.parse_key(text) for text in VECTORS["witnesses"]]
    parsed = note.parse(WITNESSED["note"].encode())
    assert set(verify.signatures(parsed, keys=keys, check=signing.check)) == set(keys)
    times = {signature.timestamp for signature in parsed.signatures if signature.name in {key.name for key in keys}}
    assert times == {VECTORS["witnessed_at"]}


def test_the_published_time_of_a_cosignature() -> None:
    case = VECTORS["cosignature_time"]
    raw = b64decode(case["base64"])
    assert note.Signature(name="w", key_id=raw[:4], data=raw[4:]).timestamp == case["timestamp"]


@pytest.mark.parametrize("case", VECTORS["unsigned_examples"], ids=lambda case: str(case["source"]))
def test_examples_of_the_specifications_can_be_read(case: dict[str, Any]) -> None:
    parsed = note.parse(case["note"].encode())
    assert parsed.encode() == case["note"].encode()
    if "timestamp" in case:
        assert parsed.signatures[1].timestamp == case["timestamp"]
        assert checkpoint.parse(parsed.text).size == 20852163
    with pytest.raises(VerificationError, match="expected a signature of PeterNeumann"):
        verify.signatures(parsed, keys=[note.parse_key(PETER["key"])], check=signing.check)


@pytest.mark.parametrize("text", VECTORS["bad_keys"])
def test_published_bad_keys_are_invalid(text: str) -> None:
    with pytest.raises(VerificationError):
        note.parse_key(text)


def test_no_part_of_a_key_and_no_key_with_a_changed_byte_is_valid() -> None:
    """The manglings that the Go implementation tries on its own parser."""
    for text, parse, error in (
        (PETER["key"], note.parse_key, VerificationError),
        (PETER["secret"], signing.parse_signer, InvalidConfiguration),
    ):
        pieces = (text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1) if j - i < len(text))
        changed = (text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(len(text)))
        for mangled in (*pieces, *changed):
            with pytest.raises(error):
                parse(mangled)


@pytest.mark.parametrize("text", VECTORS["bad_checkpoint_texts"])
def test_published_bad_checkpoints_are_invalid(text: str) -> None:
    with pytest.raises(VerificationError):
        checkpoint.parse(text)


def test_published_bad_notes_are_invalid() -> None:
    text, signature = note.parse(PETER["note"].encode()).text, PETER["note"].split("\n\n")[1]
    for message in (
        text,
        text + "\n",
        text + "\n" + signature[:-1],
        "\x01" + text + "\n" + signature,
        text + "\n" + signature.replace("PeterNeumann", "Bad Name"),
        text + "\n" + signature + "Unexpected line.\n",
        text + "\n" + signature * 101,
    ):
        with pytest.raises(VerificationError):
            note.parse(message.encode())
    with pytest.raises(VerificationError):
        note.parse(b"\xff" + PETER["note"].encode())


def test_an_invalid_signature_of_a_known_key_makes_the_note_invalid_despite_a_valid_one() -> None:
    keys = [note.parse_key(case["key"]) for case in SIGNED[:2]]
    spoiled = SIGNED[1]["note"].replace("rwz+eBzm", "rwz+eBzn").encode()
    with pytest.raises(VerificationError, match="expected a signature of EnochRoot"):
        verify.signatures(note.parse(spoiled), keys=keys, check=signing.check)
    assert verify.signatures(note.parse(spoiled), keys=keys[:1], check=signing.check) == (keys[0],)
