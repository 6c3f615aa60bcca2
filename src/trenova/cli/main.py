"""The command `trenova`: runs the command line, and turns errors into lines and exit codes."""

import atexit
import gc
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

import trenova
from trenova.cli.command_table import LazyGroup
from trenova.cli.terminal import pipes
from trenova.cli.terminal.text import printable
from trenova.errors import InvalidConfiguration, NotChecked, ReaderLeft, TrenovaError

FAILED, NOT_CHECKED, STOPPED = 1, 2, 130

app = typer.Typer(
    name="trenova",
    cls=LazyGroup,
    help="An audit log that loses nothing and can prove it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start here: trenova dev. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part.",
)


def print_version(value: bool) -> None:
    if value:
        print(f"trenova {trenova.__version__}")
        raise typer.Exit


@app.callback()
def global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main() -> NoReturn:
    """Run the command line. An error of ours is printed as one line, and a second with the next step."""
    pipes.set_up()
    # Before Python exits it looks for garbage among all objects: a third of a second with what some commands import.
    atexit.register(gc.freeze)
    as_json = "--json" in sys.argv
    try:
        try:
            run_command(as_json=as_json)
        finally:
            # A reader that has left may be noticed only when the buffer is written.
            sys.stdout.flush()
    except ReaderLeft:
        sys.exit(pipes.READER_LEFT)
    except TrenovaError as error:
        code = NOT_CHECKED if isinstance(error, NotChecked) else FAILED
        if as_json:
            cause = error.__cause__ if isinstance(error, NotChecked) else error
            from trenova.cli.terminal import json_output

            problems = cause.problems if isinstance(cause, InvalidConfiguration) else ()
            json_output.print_error(error.message, hint=error.hint, exit_code=code, problems=problems)
        else:
            print_error(error)
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    sys.exit(0)


def run_command(*, as_json: bool) -> NoReturn:
    if not as_json:
        app()
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        from trenova.cli.terminal import json_output

        json_output.print_error(error.format_message(), hint=None, exit_code=error.exit_code)
        sys.exit(error.exit_code)
    sys.exit(code)


def print_error(error: TrenovaError) -> None:
    from trenova.cli import data_folder_hint

    if isinstance(error, InvalidConfiguration) and len(error.problems) > 1:
        print("error: invalid configuration", file=sys.stderr)
        for problem in error.problems:
            print(printable_lines(f"  {problem}"), file=sys.stderr)
    else:
        print(printable_lines(f"error: {error.message}"), file=sys.stderr)
    if error.hint:
        print(printable_lines(f"hint: {error.hint}"), file=sys.stderr)
    if (advice := data_folder_hint.export_hint(sys.argv, error.hint)) is not None:
        print(printable_lines(f"hint: {advice}"), file=sys.stderr)


def printable_lines(message: str) -> str:
    """The lines of an error, which may quote a file or a server, without control characters."""
    return "\n".join(printable(line) for line in message.split("\n"))
