"""Each text of bytes in a URL or a cookie has one spelling."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trenova.api import base64url

LETTERS = string.ascii_letters + string.digits + "-_"


@given(st.binary(max_size=40))
def test_what_is_encoded_can_be_decoded(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.binary(min_size=1, max_size=40))
def test_no_change_of_the_last_character_decodes_to_the_same_bytes(data: bytes) -> None:
    text = base64url.encode(data)
    for letter in LETTERS.replace(text[-1], ""):
        try:
            assert base64url.decode(text[:-1] + letter) != data
        except ValueError:  # it has bits to spare, and these are set
            assert len(data) % 3


@pytest.mark.parametrize("text", ["AB", "AAB", "AA==", "A", "AA\n", "A A", "A+", "A/", "\u00e9\u00e9"])
def test_any_other_text_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected base64url"):
        base64url.decode(text)
