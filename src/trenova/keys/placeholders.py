"""Placeholders for keys in documentation. They are public, so they protect nothing."""

import re

# `your-32-character-encryption-key-here`, `your-production-encryption-key`, `your-32-character-key`; and `change-me`.
EXAMPLE_TEXT = re.compile(r"your[-_ ](?:[a-z0-9]+[-_ ])*key(?:[-_ ]here)?|(?:change|replace)[-_ ]?(?:me|this)|<[^<>]*>")
ABBREVIATED = "…"  # in keys shortened on our own pages


def is_placeholder(text: str) -> bool:
    """Whether this is the text of an example, with any quotes, case and surrounding white space."""
    return ABBREVIATED in text or EXAMPLE_TEXT.fullmatch(text.strip().strip("'\"").lower()) is not None


def complaint(command: str) -> str:
    """The error, phrased to follow the name of the key or of its source. `command` makes a key."""
    return f"is the placeholder from the documentation: make a key with `{command}`"
