"""The output of `trenova dev`: progress while it starts, a summary when it is ready, and later events."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from trenova.dev.programs import CODEC_PATH
from trenova.errors import PartFailed
from trenova.runtime.installation import command_line
from trenova.runtime.installation.running import DevJson

EXAMPLE = {
    "tenant": "acme",
    "actor": {"type": "user", "id": "u-1"},
    "action": "shipment.update",
    "target": {"type": "shipment", "id": "s-1"},
    "before": {"status": "new"},
    "after": {"status": "sent"},
}


class Screen:
    """Writes styled output with progress to a terminal, and plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(soft_wrap=True, highlight=False)

    @contextmanager
    def progress(self, what: str) -> Iterator[None]:
        """Show `what` while the block runs."""
        if not self._console.is_terminal:
            self.say(f"{what} …")
            yield
            return
        with self._console.status(f"{what} …"):
            yield

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def show_death(self, error: PartFailed) -> None:
        """Show how a part died, with the last lines of its log."""
        self._console.print(error.message, markup=False, style="bold red")
        self.show_log_end(error)

    def show_log_end(self, error: PartFailed) -> None:
        for line in getattr(error, "__notes__", ()):
            self._console.print(f"  {line}", markup=False, style="dim")

    def show_ready(self, state: DevJson, data_dir: Path) -> None:
        self.say("\ntrenova is ready\n")
        for name, value in (
            ("API", state.api_url),
            ("docs", f"{state.api_url}/docs"),
            ("metrics", state.metrics_url),
            ("Temporal", f"{state.temporal_address}, namespace {state.temporal_namespace}"),
            ("Web UI", state.ui_url),
            ("API key", state.api_key),
            ("data", str(data_dir)),
        ):
            self.say(f"  {name:<10}{value}")
        self.say(
            f"\nSend an entry:\n\n  {curl(state)}\n\nLet the temporal command decode payloads:\n\n  {codec_line(state)}"
        )
        if (export := command_line.export(data_dir)) is not None:
            self.say(f"\nIn other terminals, to let commands find this data folder:\n\n  {export}")
        logs = f"trenova logs --follow{command_line.flag(data_dir)}"
        self.say(f"\nFollow the logs with `{logs}`; stop with Ctrl-C.")


def codec_line(state: DevJson) -> str:
    return f"export TEMPORAL_ADDRESS={state.temporal_address} TEMPORAL_CODEC_ENDPOINT={state.api_url}{CODEC_PATH}"


def curl(state: DevJson) -> str:
    """A shell command that stores an entry."""
    return (
        f"curl -sS '{state.api_url}/v1/entries?wait=stored' -H 'Authorization: Bearer {state.api_key}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(EXAMPLE, separators=(',', ':'))}'"
    )
