"""`trenova logs`: what the parts that run on this machine write."""

from typing import Annotated

import typer

from trenova.cli import options, pipes
from trenova.config import DEFAULT_DATA_DIR


def logs(
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=0, help="How many lines back, for each part.")] = 20,
) -> None:
    """Show the logs of everything that runs on the data folder.

    That is what `trenova dev` runs; or PostgreSQL with the API and the workers that use it.

    Example: trenova logs --follow --lines 100
    """
    from trenova.dev import logs as parts  # noqa: PLC0415 - slow to import

    parts.show(data_dir, follow=follow, lines=lines, pause=pipes.pause)
