"""`trenova dev`: everything on one machine."""

from typing import Annotated, Any

import typer

from trenova.cli import options


def port_option(what: str) -> Any:
    return typer.Option(min=1, max=65535, help=f"Port of {what}.")


def dev(
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    api_port: Annotated[int, port_option("the API")] = 8080,
    temporal_port: Annotated[int, port_option("Temporal")] = 7233,
    ui_port: Annotated[int, port_option("Temporal's Web UI")] = 8233,
) -> None:
    """Run the whole system on this machine, until Ctrl-C.

    That is PostgreSQL, Temporal with its Web UI, the API and a worker.

    All data is in the data folder: whether stopped or killed, the next start on the same folder continues with it.

    Example: trenova dev --data-dir /srv/trenova --api-port 9090
    """
    from trenova.dev.supervisor import Options, run

    raise typer.Exit(run(Options(data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port)))
