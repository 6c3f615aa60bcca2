"""`trenova dev`: everything on one machine."""

from pathlib import Path
from typing import Annotated

import typer

from trenova.config import DEFAULT_DATA_DIR

Port = Annotated[int, typer.Option(min=1, max=65535)]


def dev(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.", file_okay=False)] = DEFAULT_DATA_DIR,
    api_port: Port = 8080,
    temporal_port: Port = 7233,
    ui_port: Port = 8233,
) -> None:
    """Run PostgreSQL, Temporal with its Web UI, the API and a worker on this machine, until Ctrl-C.

    Everything is kept in the data folder: stopped, or killed, and started again, nothing is lost.
    """
    from trenova.dev.supervisor import Options, run  # noqa: PLC0415 - slow to import

    options = Options(data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port)
    raise typer.Exit(run(options))
