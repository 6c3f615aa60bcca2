"""`trenova dev`: everything on one machine."""

from typing import Annotated, Any

import typer

from trenova.cli import options
from trenova.config import DEFAULT_DATA_DIR


def port(what: str) -> Any:
    return typer.Option(min=1, max=65535, help=f"Port of {what}.")


def dev(
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    api_port: Annotated[int, port("the API")] = 8080,
    temporal_port: Annotated[int, port("Temporal")] = 7233,
    ui_port: Annotated[int, port("Temporal's Web UI")] = 8233,
) -> None:
    """Run PostgreSQL, Temporal with its Web UI, the API and a worker on this machine, until Ctrl-C.

    Everything is kept in the data folder: stopped, or killed, and started again, nothing is lost.

    Example: trenova dev --data-dir /srv/trenova --api-port 9090
    """
    from trenova.dev.supervisor import Options, run  # noqa: PLC0415 - slow to import

    options = Options(data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port)
    raise typer.Exit(run(options))
