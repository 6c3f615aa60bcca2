"""Text from elsewhere made harmless: nothing in it can rewrite a terminal or hide there."""

from json import dumps

MAX_LINE_WIDTH = 500  # an error names what it found in one or two hundred characters


def printable(text: str) -> str:
    """The text with a replacement character for each control character, which could rewrite a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def printable_line(text: str) -> str:
    """A line of output: printable, and cut at `MAX_LINE_WIDTH`."""
    plain = printable(text)
    return plain if len(plain) <= MAX_LINE_WIDTH else plain[: MAX_LINE_WIDTH - 1] + "…"


def printable_json(json: str) -> str:
    """The same JSON with unprintable characters escaped: in JSON they can only be within strings."""
    if json.isprintable():
        return json
    return "".join(char if char.isprintable() else dumps(char)[1:-1] for char in json)
