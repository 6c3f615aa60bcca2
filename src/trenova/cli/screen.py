"""How tables are shown: for people on a terminal, a line a row elsewhere, other people's words always harmless."""

from rich.console import Console
from rich.text import Text

PIPE_WIDTH = 250  # a file or another program has no width; a line a row is what they want


def console() -> Console:
    shown = Console()
    if not shown.is_terminal:
        shown.width = PIPE_WIDTH
    return shown


def literal(text: str) -> Text:
    """The text as a cell that holds neither markup nor control characters, which could rewrite a terminal."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))
