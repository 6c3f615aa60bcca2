"""The commands of `trenova`, and the group that imports the module of a command only when that command is used."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, cast

from typer import Context, Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

Command = TyperCommand | TyperGroup


class Listing(NamedTuple):
    """A command in the list of commands."""

    module: str
    attribute: str
    """A function, or the `Typer` of a group."""
    help: str
    """The first line of the command's own help; a test compares them."""


def listing(module: str, attribute: str, text: str) -> Listing:
    return Listing(f"trenova.cli.{module}", attribute, text)


COMMANDS = {
    "dev": listing("dev", "dev", "Run the whole system on this machine, until Ctrl-C."),
    "api": listing("servers", "api", "Run the API server."),
    "worker": listing("servers", "worker", "Run a worker on the task queue audit-queue."),
    "migrate": listing("servers", "migrate", "Bring the database schema up to date."),
    "witness": listing("witness", "witness", "Cosign others' checkpoints while their logs only grow."),
    "doctor": listing(
        "doctor",
        "doctor",
        "Report what is wrong here, why, and what to do next.",
    ),
    "preflight": listing("preflight", "preflight", "Run the production checklist."),
    "import": listing(
        "import_entries", "import_files", "Import audit events from files. Importing a file again stores nothing twice."
    ),
    "entries": listing("entries", "entries", "List entries, newest first. Times are UTC."),
    "tail": listing(
        "entries", "tail", "Print entries as they are stored, until Ctrl-C. None is left out, none is repeated."
    ),
    "logs": listing("logs", "logs", "Show the logs of all that runs on the data folder."),
    "evidence": listing(
        "evidence",
        "evidence",
        "Write evidence that anyone can verify offline.",
    ),
    "verify": listing(
        "verify",
        "verify",
        "Verify evidence offline, or the database with --live.",
    ),
    "reconcile": listing(
        "reconcile",
        "reconcile",
        "Store what Temporal has and the database lacks.",
    ),
    "verify-encryption": listing(
        "verify_encryption",
        "verify_encryption",
        "Prove that payloads in Temporal are encrypted.",
    ),
    "api-key": listing("api_keys", "app", "Create, list and revoke API keys."),
    "keys": listing("keys", "app", "Generate keys, and show which are still needed."),
    "dead-letters": listing(
        "dead_letters", "app", "List, edit and replay parked entries. Needs an API key with the role admin."
    ),
    "retention": listing("retention", "app", "Set how long entries are kept, and remove older ones."),
    "hold": listing("holds", "app", "Place, list and release legal holds."),
}


@cache
def load_command(name: str) -> Command:
    """Import the module of a command and build its parser."""
    module, attribute, _ = COMMANDS[name]
    target = getattr(import_module(module), attribute)
    if isinstance(target, Typer):
        command = cast("Command", get_group(target))
    else:
        single = Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(target)
        command = cast("Command", get_command(single))
    command.name = name
    return command


class LazyCommands(Mapping[str, Command]):
    """The commands by name. Reading one loads it; listing the names loads none."""

    def __getitem__(self, name: str) -> Command:
        return load_command(name)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """The top of the command line: lists from the table, and loads only the command that was typed.

    Help and shell completion of the names see stand-ins with name and help. Everything that goes further, such as the
    completion of an option, resolves the command first.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast("Any", LazyCommands())

    def list_commands(self, ctx: Context) -> list[str]:  # type: ignore[override] # Typer's own Context
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]
        del ctx
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else TyperCommand(cmd_name, help=entry.help, callback=None)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:  # type: ignore[override]
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load_command(name), rest
