"""Other spellings of numbers and of base64, which a careless reader takes for the same."""

from base64 import b64decode, b64encode
from collections.abc import Callable

NUMBERS: dict[str, Callable[[str], str]] = {
    "an underscore": lambda number: number[:1] + "_" + number[1:],
    "a plus": lambda number: "+" + number,
    "a minus": lambda number: "-" + number,
    "a space before": lambda number: " " + number,
    "a space behind": lambda number: number + " ",
    "a zero before": lambda number: "0" + number,
    "wide digits": lambda number: "".join(chr(ord(digit) + 0xFEE0) for digit in number),
    "a fraction": lambda number: number + ".0",
    "an exponent": lambda number: number + "e0",
    "hexadecimal": lambda number: hex(int(number)),
    "true": lambda _: "true",
    "minus zero": lambda _: "-0",
    "nothing": lambda _: "",
    "2^63": lambda _: str(1 << 63),
    "2^64 more": lambda number: str((1 << 64) + int(number)),
    "5,000 digits": lambda _: "9" * 5000,
}


def spellings_of_base64(text: str) -> dict[str, str]:
    """Other spellings of the same bytes, and of no bytes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    loose = letters[(letters.index(bare[-1]) + 1) % 64]  # the surplus bits of the last letter
    padded = {"no padding": bare, "loose bits": bare[:-1] + loose + text[len(bare) :]} if bare != text else {}
    return padded | {
        "too much padding": text + "=",
        "a space in it": text[:8] + " " + text[8:],
        "a newline in it": text[:8] + "\n" + text[8:],
        "a letter of another alphabet": text[:8] + "-" + text[9:],
        "a control character": text[:8] + "\x7f" + text[8:],
        "a byte too few": b64encode(b64decode(text)[:-1]).decode(),
        "a byte too many": b64encode(b64decode(text) + b"\0").decode(),
        "nothing": "",
    }
