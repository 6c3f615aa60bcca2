"""Keys, notes, checkpoints and receipts: round trips, every changed byte, and any bytes at all."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trenova.errors import InvalidConfiguration, VerificationError
from trenova.ledger import checkpoint, note, prove, receipt, signing, tiles, verify
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.receipt import Receipt
from unit.ledger.sample_ledgers import ORIGIN, SIGNER, STRANGER, sample_ledger

HEAD = sample_ledger(300).head(300)
MESSAGE = signing.sign(HEAD, [SIGNER])
WITNESS = signing.Signer(name="witness.example.com/w1", seed=bytes(32), algorithm=note.COSIGNATURE)
RECEIPT = Receipt(
    index=17,
    path=prove.inclusion(17, 300, sample_ledger(300).read),
    checkpoint=MESSAGE,
    salt=sample_ledger(300).entries[17][0],
)
BODY = sample_ledger(300).entries[17][1]


def open_checkpoint(message: bytes, signer: signing.Signer = SIGNER) -> Checkpoint:
    return verify.signed_checkpoint(message, keys=[signer.key], check=signing.check, origin=ORIGIN)


def changes(value: bytes) -> list[bytes]:
    """The value with each byte changed: by one bit, by upper and lower case, and to a space and a newline."""
    return [
        value[:at] + bytes([other]) + value[at + 1 :]
        for at, byte in enumerate(value)
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0x20, 0x0A} - {byte}
    ]


def test_a_signed_checkpoint_verifies_with_its_key_alone() -> None:
    assert open_checkpoint(MESSAGE) == HEAD
    with pytest.raises(VerificationError, match=r"expected a signature of audit\.example\.com"):
        open_checkpoint(MESSAGE, STRANGER)
    with pytest.raises(VerificationError, match="expected the ledger other, got"):
        verify.signed_checkpoint(MESSAGE, keys=[SIGNER.key], check=signing.check, origin="other")
    with pytest.raises(VerificationError, match="expected a signature of no known key"):
        verify.signed_checkpoint(MESSAGE, origin=ORIGIN, keys=[], check=signing.check)


def test_no_byte_of_a_signed_checkpoint_can_be_changed() -> None:
    for changed in changes(MESSAGE):
        with pytest.raises(VerificationError):
            open_checkpoint(changed)


def test_no_byte_of_a_receipt_can_be_changed() -> None:
    encoded = RECEIPT.encode()
    assert receipt.parse(encoded) == RECEIPT
    assert receipt.check(RECEIPT, body=BODY, keys=[SIGNER.key], check=signing.check, origin=ORIGIN) == HEAD
    for changed in changes(encoded):
        with pytest.raises(VerificationError):
            receipt.check(receipt.parse(changed), body=BODY, keys=[SIGNER.key], check=signing.check, origin=ORIGIN)
    for body in (b"", BODY[:-1], *changes(BODY)):
        with pytest.raises(VerificationError):
            receipt.check(RECEIPT, body=body, keys=[SIGNER.key], check=signing.check, origin=ORIGIN)


def test_a_receipt_without_salt_says_so() -> None:
    bare = receipt.parse(Receipt(index=17, path=RECEIPT.path, checkpoint=MESSAGE).encode())
    assert bare.salt is None
    with pytest.raises(VerificationError, match="expected a salt of 16 bytes, got none"):
        receipt.check(bare, body=BODY, origin=ORIGIN, keys=[SIGNER.key], check=signing.check)


def test_a_cosignature_states_the_time_and_verifies_with_the_witness_key_alone() -> None:
    cosigned = signing.cosign(note.parse(MESSAGE), WITNESS, timestamp=1_700_000_000)
    parsed = note.parse(cosigned)
    assert open_checkpoint(cosigned) == HEAD
    assert verify.signatures(parsed, keys=[WITNESS.key], check=signing.check) == (WITNESS.key,)
    assert verify.signatures(parsed, keys=[SIGNER.key, WITNESS.key], check=signing.check) == (SIGNER.key, WITNESS.key)
    assert parsed.signatures[1].timestamp == 1_700_000_000
    as_plain = note.VerifierKey(name=WITNESS.name, public_key=WITNESS.key.public_key)
    with pytest.raises(VerificationError):
        verify.signatures(parsed, keys=[as_plain], check=signing.check)
    alone = signing.cosign(note.Note(text=HEAD.text, signatures=()), WITNESS, timestamp=1_700_000_000)
    for changed in changes(alone):
        with pytest.raises(VerificationError):
            verify.signatures(note.parse(changed), keys=[WITNESS.key], check=signing.check)


def test_only_a_witness_key_cosigns_and_only_with_a_valid_time() -> None:
    for witness, timestamp in ((SIGNER, 1), (WITNESS, -1), (WITNESS, 1 << 63)):
        with pytest.raises(ValueError, match="type 4"):
            signing.cosign(note.parse(MESSAGE), witness, timestamp=timestamp)


def test_a_cosignature_too_short_for_a_time_is_invalid() -> None:
    for data in (b"1", bytes(8), b"\xff" * 72):
        line = note.Signature(name=WITNESS.name, key_id=WITNESS.key.id, data=data)
        with pytest.raises(VerificationError):
            verify.signatures(note.Note(text=HEAD.text, signatures=(line,)), keys=[WITNESS.key], check=signing.check)


def test_one_secret_signs_for_every_tenant_under_its_own_name() -> None:
    other = SIGNER.with_name(checkpoint.origin("audit.example.com/v1/log", "globex"))
    assert other.key.public_key == SIGNER.key.public_key
    assert other.key.id != SIGNER.key.id
    assert signing.parse_signer(other.secret_text) == other
    with pytest.raises(VerificationError):
        open_checkpoint(MESSAGE, other)


@pytest.mark.parametrize(
    ("prefix", "tenant"), [("", "a"), ("p", ""), ("p", "a/b"), ("p q", "a"), ("p+q", "a"), ("p", "a b")]
)
def test_an_origin_names_one_tenant(prefix: str, tenant: str) -> None:
    with pytest.raises(VerificationError, match="origin"):
        checkpoint.origin(prefix, tenant)


def test_a_broken_key_verifies_nothing() -> None:
    assert not signing.check(b"", b"", b"")
    assert not signing.check(b"\xff" * 32, b"", bytes(64))
    assert not signing.check(SIGNER.key.public_key, b"", b"")


def test_the_error_for_an_invalid_signing_key_does_not_show_the_secret() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        signing.parse_signer(SIGNER.secret_text[:-4] + "AAA=")
    assert b64encode(SIGNER.seed).decode()[:20] not in f"{caught.value} {caught.value.hint}"


@given(
    st.builds(
        Checkpoint, origin=st.just(ORIGIN), size=st.integers(0, (1 << 63) - 1), root=st.binary(min_size=32, max_size=32)
    )
)
def test_a_checkpoint_reads_back(head: Checkpoint) -> None:
    assert checkpoint.parse(head.text) == head
    assert open_checkpoint(signing.sign(head, [SIGNER])) == head


NOTE_PARTS = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(["\n", "\n\n", "— ", "a ", ORIGIN, "AAAAAAAA", "=", "+", "0", "extra ", "index 0"]),
    ),
    max_size=12,
).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))


@given(st.one_of(st.binary(max_size=200), NOTE_PARTS))
def test_any_bytes_either_read_back_or_are_invalid(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    reads: list[Callable[[], bool]] = [
        lambda: note.parse(data).encode() == data,
        lambda: note.parse_key(text).text == text,
        lambda: checkpoint.parse(text).text == text,
        lambda: tiles.parse(text).path == text,
        lambda: tiles.encode_bundle(tiles.decode_bundle(data, 1)) == data,
        lambda: receipt.parse(receipt.FORMAT.encode() + b"\n" + data).encode().endswith(data),
    ]
    for read in reads:
        try:
            assert read()
        except VerificationError:
            continue


@given(st.binary(max_size=80))
def test_random_bytes_are_never_a_valid_signature(data: bytes) -> None:
    line = note.Signature(name=ORIGIN, key_id=SIGNER.key.id, data=data or b"x")
    with pytest.raises(VerificationError):
        open_checkpoint(note.Note(text=HEAD.text, signatures=(line,)).encode())
