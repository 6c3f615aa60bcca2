"""Texts that documentation puts where a key belongs. Everybody knows them, so they protect nothing."""

import re

# `your-32-character-encryption-key-here`, `your-production-encryption-key`, `your-32-character-key`; and `change-me`.
EXAMPLE_TEXT = re.compile(r"your[-_ ](?:[a-z0-9]+[-_ ])*key(?:[-_ ]here)?|(?:change|replace)[-_ ]?(?:me|this)|<[^<>]*>")
ABBREVIATED = "…"  # as our own pages shorten keys


def is_placeholder(text: str) -> bool:
    """Whether this is the text of an example, copied as it stands, whatever its quotes, case and white space."""
    return ABBREVIATED in text or EXAMPLE_TEXT.fullmatch(text.strip().strip("'\"").lower()) is not None


def complaint(command: str) -> str:
    """To be read after the name of the key, or of its source. `command` makes a key."""
    return f"is the placeholder from the documentation: make a key with `{command}`"
