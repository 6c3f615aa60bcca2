"""How tables are shown: for people on a terminal, a line a row elsewhere, other people's words always harmless."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

LINE_WIDTH = 500  # an error names what it found in a hundred characters or two
PIPE_WIDTH = 250  # a file or another program has no width; a line a row is what they want


def console() -> Console:
    shown = Console()
    if not shown.is_terminal:
        shown.width = PIPE_WIDTH
    return shown


def standard_error() -> Console:
    return Console(stderr=True)


def literal(text: str) -> Text:
    """The text as a cell that holds neither markup nor control characters, which could rewrite a terminal."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))


def shown(text: str) -> str:
    """A line of output, cut where nobody reads on, with nothing in it that could rewrite a terminal or hide there."""
    plain = literal(text).plain
    return plain if len(plain) <= LINE_WIDTH else plain[: LINE_WIDTH - 1] + "…"


def escaped(json: str) -> str:
    """The same JSON with what is not printable escaped: in JSON that can only stand within strings."""
    if json.isprintable():
        return json
    return "".join(sign if sign.isprintable() else dumps(sign)[1:-1] for sign in json)


@contextmanager
def progress_of_entries(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal; call what it gives with the entries so far, and all."""
    shown = standard_error()
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=shown, disable=not shown.is_terminal, transient=True) as progress:
        bar = progress.add_task(description, total=0)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
