"""`trenova logs`: what the processes on this machine write."""

from typing import Annotated

import typer

from trenova.cli import options
from trenova.cli.terminal import pipes


def logs(
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=0, help="How many earlier lines to show of each process.")] = 20,
) -> None:
    """Show the logs of all that runs on the data folder.

    That is what `trenova dev` runs; or PostgreSQL, and the API and workers that use it.

    Example: trenova logs --follow --lines 100
    """
    from trenova.dev import logs as dev_logs

    dev_logs.show(data_dir, follow=follow, lines=lines, pause=pipes.pause)
