"""`trenova witness`: cosigning somebody else's logs."""

from pathlib import Path
from typing import Annotated

import typer

from trenova.config import LogSettings
from trenova.runtime import log_output


def witness(
    name: Annotated[str, typer.Option(help="What the witness is called, e.g. witness.example.com/w1; for ever.")],
    state: Annotated[Path, typer.Option(help="Folder of its key and its memory; made when it is not there.")],
    log: Annotated[
        list[str],
        typer.Option(help="Verifier key of a log, or of a service with a log for each tenant; again for more."),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8070,
) -> None:
    """Cosign the checkpoints of logs, as long as none of them takes anything back.

    Worth what its owner is worth: run it where the log's owner has no say. It logs its own verifier key when it starts.

    Example: trenova witness --name witness.example.com/w1 --state witness --log "$KEY"
    """
    from trenova.witness import server  # noqa: PLC0415 - slow to import

    log_output.set_up(LogSettings())
    server.run(name, state, log, host=host, port=port)
