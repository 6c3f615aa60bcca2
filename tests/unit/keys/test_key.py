import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trenova.keys.key import Key, UnusableKeyError, read_secret
from trenova.keys.keyring import Keyring

RAW = bytes(range(200, 232))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (base64.b64encode(RAW).decode(), "base64"),
        (base64.b64encode(RAW).decode().rstrip("="), "base64"),
        (base64.urlsafe_b64encode(RAW).decode(), "base64"),
        (RAW.hex(), "hex"),
        (RAW.hex().upper(), "hex"),
    ],
)
def test_base64_and_hex_give_the_same_32_bytes(text: str, form: str) -> None:
    assert read_secret(text) == (RAW, form)


def test_other_text_goes_through_hkdf() -> None:
    # Computed with HMAC by hand (RFC 5869), so that the derivation can never change unnoticed.
    text = "correct horse battery staple, and a few more words"
    assert read_secret(text) == (
        bytes.fromhex("56531adf3a1c4859fd0f1c9e64886cc163a357ce01df584fa18ab5ce1a9beefb"),
        "text",
    )


@pytest.mark.parametrize("text", ["", "x" * 31, "our-production-encryption-key", RAW[:15].hex()])
def test_text_of_fewer_than_32_characters_is_not_a_key(text: str) -> None:
    with pytest.raises(UnusableKeyError, match="expected"):
        read_secret(text)


@given(st.text(), st.sampled_from(["auto", "raw32"]))
def test_any_text_is_a_key_of_32_bytes_or_an_error_that_does_not_quote_it(text: str, key_format: str) -> None:
    try:
        secret, _ = read_secret(text, key_format=key_format)  # type: ignore[arg-type]
    except UnusableKeyError as err:
        refusal = str(err)
    else:
        refusal = ""
        assert len(secret) == 32
        # Nothing shorter than a key was stretched with zeros.
        assert len(text.encode()) >= 32
    assert len(text) < 10 or text not in refusal


def test_repr_shows_no_secret() -> None:
    key = Key(id="k1", secret=RAW, form="hex", source="TEMPORAL_ENCRYPTION_KEY_k1")
    for shown in (repr(key), str(key), repr(Keyring(keys={"k1": key}, encrypting_id="k1"))):
        assert "k1" in shown
        assert repr(RAW)[2:10] not in shown
        assert "secret" not in shown


def test_fingerprints_tell_keys_apart_and_are_the_same_everywhere() -> None:
    same = Key(id="k1", secret=RAW, form="hex", source="a")
    again = Key(id="k2", secret=RAW, form="base64", source="b")
    other = Key(id="k1", secret=RAW[::-1], form="hex", source="a")
    assert same.fingerprint() == again.fingerprint() == "e8d29e686d301349"
    assert other.fingerprint() != same.fingerprint()
