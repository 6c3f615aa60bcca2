"""`trenova dead-letters`: lists, edits and replays entries that the database rejected."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from trenova.cli import api_client, options
from trenova.cli.terminal import json_output
from trenova.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rich.table import Table

    from trenova.client import AsyncClient
    from trenova.client.dead_letters import DeadLetterAnswer, ReplayAnswer
    from trenova.client.messages import Call

PAGE, BODIES_PAGE = 100, 20
DEFAULT_LIMIT = 50
RETRY_FOR_S = 5.0  # a person is waiting for the answer
STILL_PARKED = 3  # exit code: done in part

app = typer.Typer(
    help="List, edit and replay parked entries. Needs an API key with the role admin.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: trenova dead-letters list",
)

Result = TypeVar("Result")
Tenant = Annotated[str | None, typer.Option(help="Only this tenant.")]
State = Annotated[Literal["parked", "stored", "all"], typer.Option(help="Still parked, stored since, or both.")]
LetterId = Annotated[str, typer.Argument(metavar="ID", help="As `trenova dead-letters list` shows it.")]


@app.command("list")
def list_letters(
    tenant: Tenant = None,
    state: State = "parked",
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="List all of them.")] = False,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List parked entries, newest first, with the reason of each. Times are UTC.

    Example: trenova dead-letters list --tenant acme
    """

    async def collect(client: AsyncClient) -> list[DeadLetterAnswer]:
        letters = read_letters(client, tenant, state, None if everything else limit, bodies=False)
        return [letter async for letter in letters]

    letters = use_client(data_dir, api_url, api_key, collect)
    if as_json:
        json_output.print_lines(letters)
    elif letters:
        from trenova.cli.terminal.screen import stdout_console

        stdout_console().print(table_of(letters))
    else:
        print("no entry is parked" if state == "parked" else "none found", file=sys.stderr)


@app.command()
def show(
    letter_id: LetterId,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Show a dead letter with its entry.

    Example: trenova dead-letters show 019a8c3e-5a7b-7c21-9d3e-0f1a2b3c4d5e
    """
    from trenova.client import dead_letters

    id_ = parse_id(letter_id)
    letter = use_client(data_dir, api_url, api_key, lambda client: request_letter(client, dead_letters.read(id_)))
    if as_json:
        print(json_output.to_json(letter))
        return
    import msgspec

    from trenova.cli.terminal.screen import literal, stdout_console

    for name, value in msgspec.to_builtins(letter).items():
        if name != "body":
            stdout_console().print(f"{name:<12}", literal(str(value)), highlight=False)
    if letter.body is not None:
        stdout_console().print(f"{'entry':<12}", literal(letter.bytes.decode(errors="replace")), highlight=False)


@app.command()
def edit(
    letter_id: LetterId,
    file: Annotated[
        Path | None,
        typer.Option(help="The new entry, in JSON. Without it, $EDITOR opens.", exists=True, dir_okay=False),
    ] = None,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Replace a parked entry and replay it at once. The edit itself is an audit entry of the same tenant.

    Example: trenova dead-letters edit 019a8c3e-5a7b-7c21-9d3e-0f1a2b3c4d5e --file fixed.json
    """
    from trenova.client import dead_letters

    id_ = parse_id(letter_id)
    new_entry = None if file is None else file.read_bytes()

    async def replace_and_replay(client: AsyncClient) -> DeadLetterAnswer:
        entry = new_entry
        if entry is None:
            entry = edit_in_editor((await request_letter(client, dead_letters.read(id_))).bytes)
        await client.send(dead_letters.edit(id_, entry))
        return await request_letter(client, dead_letters.replay(id_))

    report_replay(use_client(data_dir, api_url, api_key, replace_and_replay), as_json=as_json)


@app.command()
def replay(
    letter_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    tenant: Tenant = None,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Retry parked entries now, before their next attempt is due. Exit code 3 if any is rejected again.

    Example: trenova dead-letters replay --all
    """
    from trenova.client import dead_letters, messages

    if (letter_id is None) != (everything or tenant is not None):
        raise typer.BadParameter("give either an ID, or --all, or --tenant NAME")
    if letter_id is not None:
        call = dead_letters.replay(parse_id(letter_id))
        letter = use_client(data_dir, api_url, api_key, lambda client: request_letter(client, call))
        report_replay(letter, as_json=as_json)
        return

    async def replay_all(client: AsyncClient) -> ReplayAnswer:
        return messages.decode(await client.send(dead_letters.replay_all(tenant)), dead_letters.ReplayAnswer)

    result = use_client(data_dir, api_url, api_key, replay_all)
    if as_json:
        print(json_output.to_json(result))
    else:
        print(
            f"due {result.due:,} · tried {result.tried:,} · stored {result.stored:,} · still parked {result.parked:,}"
        )
    if result.due > result.stored:
        raise typer.Exit(STILL_PARKED)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write; - is standard output.", allow_dash=True)] = Path("-"),
    tenant: Tenant = None,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
) -> None:
    """Write all parked entries with their exact bytes.

    One JSON object per line; `body` has the bytes in base64.

    Example: trenova dead-letters export parked.ndjson --tenant acme
    """
    import click
    import msgspec

    async def write(client: AsyncClient) -> int:
        count = 0
        with click.open_file(str(file), "wb") as out:
            async for letter in read_letters(client, tenant, "parked", None, bodies=True):
                out.write(msgspec.json.encode(letter) + b"\n")
                count += 1
        return count

    try:
        count = use_client(data_dir, api_url, api_key, write)
    except OSError as error:
        problem = f"cannot write {error.filename or file}: {error.strerror or error}"
        raise InvalidRequest(problem, hint="name another file, or free some space there") from None
    print(f"{count:,} written", file=sys.stderr)


def use_client(
    data_dir: Path, api_url: str | None, api_key: str | None, work: Callable[[AsyncClient], Awaitable[Result]]
) -> Result:
    import asyncio

    client = api_client.open_client(data_dir, api_url, api_key, retry_for_s=RETRY_FOR_S)

    async def use() -> Result:
        async with client:
            return await work(client)

    return asyncio.run(use())


async def read_letters(
    client: AsyncClient, tenant: str | None, state: str, limit: int | None, *, bodies: bool
) -> AsyncIterator[DeadLetterAnswer]:
    """The dead letters, page by page."""
    from trenova.client import dead_letters, messages

    cursor: str | None = None
    left = limit
    while left is None or left > 0:
        page_size = BODIES_PAGE if bodies else PAGE
        call = dead_letters.page(
            tenant=tenant, state=state, cursor=cursor, limit=min(page_size, left or page_size), bodies=bodies
        )
        page = messages.decode(await client.send(call), dead_letters.DeadLetterPage)
        for letter in page.dead_letters:
            yield letter
        left = None if left is None else left - len(page.dead_letters)
        cursor = page.next_cursor
        if cursor is None:
            return


async def request_letter(client: AsyncClient, call: Call) -> DeadLetterAnswer:
    from trenova.client import dead_letters, messages

    return messages.decode(await client.send(call), dead_letters.DeadLetterAnswer)


def parse_id(text: str) -> str:
    return str(options.parse_uuid(text, hint="list them: trenova dead-letters list"))


def edit_in_editor(entry: bytes) -> bytes:
    """The entry as the editor saves it. Raises InvalidRequest when the editor fails or changes nothing."""
    import click

    try:
        text = click.edit(entry.decode(errors="replace"), extension=".json")
    except click.ClickException as error:
        raise InvalidRequest(error.format_message(), hint="set EDITOR to an editor that works, or use --file") from None
    if text is None or text.encode() == entry:
        raise InvalidRequest("nothing was changed", hint="save the file in the editor, or name one with --file")
    return text.encode()


def report_replay(letter: DeadLetterAnswer, *, as_json: bool) -> None:
    """Print what the replay came to. Exits with STILL_PARKED if the entry was rejected again."""
    if as_json:
        print(json_output.to_json(letter))
    elif letter.state == "stored":
        print("stored")
    else:
        from trenova.cli.terminal.screen import literal, stdout_console

        stdout_console().print("still parked:", literal(letter.reason), highlight=False)
    if letter.state != "stored":
        raise typer.Exit(STILL_PARKED)


def table_of(letters: list[DeadLetterAnswer]) -> Table:
    from rich.table import Table

    from trenova.cli.terminal.screen import literal

    table = Table("id", "tenant", "parked", "attempts", "next attempt", "code", "reason", box=None, pad_edge=False)
    for letter in letters:
        next_attempt = f"{letter.next_try_at:%Y-%m-%d %H:%M}" if letter.next_try_at else "stored"
        cells = (str(letter.id), letter.tenant or "(none)", f"{letter.parked_at:%Y-%m-%d %H:%M}", str(letter.attempts))
        table.add_row(*(literal(cell) for cell in (*cells, next_attempt, letter.code, letter.reason)))
    return table
