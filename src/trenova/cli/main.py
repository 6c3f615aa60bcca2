"""The command `trenova` and how its errors look."""

import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

import trenova
from trenova.cli import (
    api_keys,
    data_folder,
    dead_letters,
    dev,
    entries,
    evidence,
    json_output,
    keys,
    logs,
    pipes,
    preflight,
    reconcile,
    retention,
    retention_holds,
    servers,
    verify,
    verify_encryption,
    witness,
)
from trenova.cli import doctor_command as doctor
from trenova.cli import import_entries as importing
from trenova.cli.screen import literal
from trenova.errors import InvalidConfiguration, NotChecked, ReaderLeft, TrenovaError

FAILED, NOT_CHECKED, STOPPED = 1, 2, 130

app = typer.Typer(
    name="trenova",
    help="An audit log that loses nothing and can prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start here: [bold]trenova dev[/bold]. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part.",
)
app.command()(dev.dev)
app.command()(servers.api)
app.command()(servers.worker)
app.command()(servers.migrate)
app.command()(witness.witness)
app.command()(doctor.doctor)
app.command()(preflight.preflight)
app.command("import")(importing.import_files)
app.command()(entries.entries)
app.command()(entries.tail)
app.command()(logs.logs)
app.command()(evidence.evidence)
app.command()(verify.verify)
app.command()(reconcile.reconcile)
app.command("verify-encryption")(verify_encryption.verify_encryption)
app.add_typer(api_keys.app, name="api-key")
app.add_typer(keys.app, name="keys")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(retention.app, name="retention")
app.add_typer(retention_holds.app, name="hold")


def show_version(value: bool) -> None:
    if value:
        print(f"trenova {trenova.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main() -> NoReturn:
    """Run the command line; errors of ours become one line, and a second with the next step."""
    pipes.set_up()
    as_json = "--json" in sys.argv
    try:
        try:
            run(as_json=as_json)
        finally:
            # What is still buffered is a part of the output: it may be the first that finds no reader.
            sys.stdout.flush()
    except ReaderLeft:
        sys.exit(pipes.READER_LEFT)
    except TrenovaError as error:
        code = NOT_CHECKED if isinstance(error, NotChecked) else FAILED
        if as_json:
            cause = error.__cause__ if isinstance(error, NotChecked) else error
            problems = cause.problems if isinstance(cause, InvalidConfiguration) else ()
            json_output.print_error(error.message, hint=error.hint, exit_code=code, problems=problems)
        else:
            complain(error)
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    sys.exit(0)


def run(*, as_json: bool) -> NoReturn:
    if not as_json:
        app()
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        json_output.print_error(error.format_message(), hint=None, exit_code=error.exit_code)
        sys.exit(error.exit_code)
    sys.exit(code)


def complain(error: TrenovaError) -> None:
    if isinstance(error, InvalidConfiguration) and len(error.problems) > 1:
        print("error: invalid configuration", file=sys.stderr)
        for problem in error.problems:
            print(harmless(f"  {problem}"), file=sys.stderr)
    else:
        print(harmless(f"error: {error.message}"), file=sys.stderr)
    if error.hint:
        print(harmless(f"hint: {error.hint}"), file=sys.stderr)
    if (first := data_folder.advice(sys.argv, error.hint)) is not None:
        print(harmless(f"hint: {first}"), file=sys.stderr)


def harmless(message: str) -> str:
    """An error's lines: what they quote may come from a file or a server."""
    return "\n".join(literal(line).plain for line in message.split("\n"))
