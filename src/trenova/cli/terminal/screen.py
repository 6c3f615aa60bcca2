"""Tables and progress bars: fitted to a terminal, one row per line elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from trenova.cli.terminal.text import printable

PIPE_WIDTH = 250  # a file or another program has no width, and wants one row per line


def stdout_console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def stderr_console() -> Console:
    return Console(stderr=True)


def literal(text: str) -> Text:
    """The text as a cell, without markup and without control characters."""
    return Text(printable(text))


@contextmanager
def entries_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error if that is a terminal. Call the yielded function with the entries done, and all."""
    console = stderr_console()
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(description, total=0)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
