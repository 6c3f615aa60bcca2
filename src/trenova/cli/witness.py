"""`trenova witness`: cosigns the checkpoints of others' logs."""

from pathlib import Path
from typing import Annotated

import typer


def witness(
    name: Annotated[str, typer.Option(help="Name of the witness, e.g. witness.example.com/w1. It can never change.")],
    state: Annotated[Path, typer.Option(help="Folder of its key and the checkpoints it has seen; created if absent.")],
    log: Annotated[
        list[str],
        typer.Option(help="Verifier key of a log, or of a service with a log for each tenant; repeat for more."),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8070,
) -> None:
    """Cosign others' checkpoints while their logs only grow.

    Run it where the owner of the logs has no access: its word is worth only as much as its independence. It logs its
    own verifier key when it starts.

    Example: trenova witness --name witness.example.com/w1 --state witness --log "$KEY"
    """
    from trenova.config import LogSettings
    from trenova.runtime import log_output
    from trenova.witness import server

    log_output.set_up(LogSettings())
    server.run(name, state, log, host=host, port=port)
