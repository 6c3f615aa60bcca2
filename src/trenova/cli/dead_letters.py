"""`trenova dead-letters`: entries that the database refuses, seen, edited and tried again."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import click
import msgspec
import typer
from rich.table import Table

from trenova.cli import api_client, json_output, options
from trenova.cli.screen import console, literal
from trenova.client import AsyncClient, dead_letters, messages
from trenova.client.dead_letters import DeadLetterAnswer, DeadLetterPage, ReplayAnswer
from trenova.config import DEFAULT_DATA_DIR
from trenova.errors import InvalidRequest

PAGE, BODIES_PAGE = 100, 20
DEFAULT_LIMIT = 50
GIVE_UP_S = 5.0  # somebody sits and waits for the answer
STILL_PARKED = 3  # exit code: done in part

app = typer.Typer(
    help="See, edit and try again what the database refuses. Needs a key with the role admin.",
    no_args_is_help=True,
    epilog="Example: trenova dead-letters list",
)

Result = TypeVar("Result")
Tenant = Annotated[str | None, typer.Option(help="Of this tenant only.")]
State = Annotated[Literal["parked", "stored", "all"], typer.Option(help="Still parked, stored since, or both.")]
Letter = Annotated[str, typer.Argument(metavar="ID", help="As `trenova dead-letters list` shows it.")]


@app.command("list")
def list_letters(
    tenant: Tenant = None,
    state: State = "parked",
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List parked entries, newest first, with the reason of each. Times are UTC.

    Example: trenova dead-letters list --tenant acme
    """

    async def collect(client: AsyncClient) -> list[DeadLetterAnswer]:
        letters = pages(client, tenant, state, None if everything else limit, bodies=False)
        return [letter async for letter in letters]

    found = run(data_dir, api_url, api_key, collect)
    if as_json:
        json_output.print_lines(found)
    elif found:
        console().print(table(found))
    else:
        print("no entry is parked" if state == "parked" else "none found", file=sys.stderr)


@app.command()
def show(
    letter: Letter,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Show one with its entry.

    Example: trenova dead-letters show 019a8c3e-5a7b-7c21-9d3e-0f1a2b3c4d5e
    """
    found = run(data_dir, api_url, api_key, lambda client: one(client, dead_letters.read(checked(letter))))
    if as_json:
        print(json_output.plain_json(found))
        return
    for name, value in msgspec.to_builtins(found).items():
        if name != "body":
            console().print(f"{name:<12}", literal(str(value)), highlight=False)
    if found.body is not None:
        console().print(f"{'entry':<12}", literal(found.bytes.decode(errors="replace")), highlight=False)


@app.command()
def edit(
    letter: Letter,
    file: Annotated[
        Path | None,
        typer.Option(help="The new entry, in JSON; else it is opened in $EDITOR.", exists=True, dir_okay=False),
    ] = None,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Put another entry in its place and try it at once. The edit is an audit entry in the same log.

    Example: trenova dead-letters edit 019a8c3e-5a7b-7c21-9d3e-0f1a2b3c4d5e --file mended.json
    """

    async def change(client: AsyncClient) -> DeadLetterAnswer:
        if file is not None:
            entry = await asyncio.to_thread(file.read_bytes)
        else:
            entry = edited((await one(client, dead_letters.read(checked(letter)))).bytes)
        await client.send(dead_letters.edit(checked(letter), entry))
        return await one(client, dead_letters.replay(checked(letter)))

    tell(run(data_dir, api_url, api_key, change), as_json=as_json)


@app.command()
def replay(
    letter: Annotated[str | None, typer.Argument(metavar="[ID]", help="This one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    tenant: Tenant = None,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Try now what is parked, instead of when its pause is over. Exit code 3 if some is refused once more.

    Example: trenova dead-letters replay --all
    """
    if (letter is None) != (everything or tenant is not None):
        raise typer.BadParameter("say either an ID, or --all, or --tenant NAME")
    if letter is not None:
        tell(
            run(data_dir, api_url, api_key, lambda client: one(client, dead_letters.replay(checked(letter)))),
            as_json=as_json,
        )
        return

    async def try_all(client: AsyncClient) -> ReplayAnswer:
        return messages.decode(await client.send(dead_letters.replay_all(tenant)), ReplayAnswer)

    done = run(data_dir, api_url, api_key, try_all)
    if as_json:
        print(json_output.plain_json(done))
    else:
        print(f"due {done.due:,} · tried {done.tried:,} · stored {done.stored:,} · still parked {done.parked:,}")
    if done.due > done.stored:
        raise typer.Exit(STILL_PARKED)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to; - is standard output.", allow_dash=True)] = Path("-"),
    tenant: Tenant = None,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write what is parked, one JSON object a line, each with the exact bytes of its entry in base64 (`body`).

    Example: trenova dead-letters export parked.ndjson --tenant acme
    """

    async def write(client: AsyncClient) -> int:
        count = 0
        with click.open_file(str(file), "wb") as out:
            async for letter in pages(client, tenant, "parked", None, bodies=True):
                out.write(msgspec.json.encode(letter) + b"\n")
                count += 1
        return count

    try:
        count = run(data_dir, api_url, api_key, write)
    except OSError as error:
        problem = f"cannot write {error.filename or file}: {error.strerror or error}"
        raise InvalidRequest(problem, hint="name another file, or make room there") from None
    print(f"{count:,} written", file=sys.stderr)


def run(
    data_dir: Path, api_url: str | None, api_key: str | None, work: Callable[[AsyncClient], Awaitable[Result]]
) -> Result:
    client = api_client.client(data_dir, api_url, api_key, retry_for_s=GIVE_UP_S)

    async def use() -> Result:
        async with client:
            return await work(client)

    return asyncio.run(use())


async def pages(
    client: AsyncClient, tenant: str | None, state: str, limit: int | None, *, bodies: bool
) -> AsyncIterator[DeadLetterAnswer]:
    cursor: str | None = None
    left = limit
    while left is None or left > 0:
        most = BODIES_PAGE if bodies else PAGE
        call = dead_letters.page(
            tenant=tenant, state=state, cursor=cursor, limit=min(most, left or most), bodies=bodies
        )
        page = messages.decode(await client.send(call), DeadLetterPage)
        for letter in page.dead_letters:
            yield letter
        left = None if left is None else left - len(page.dead_letters)
        cursor = page.next_cursor
        if cursor is None:
            return


async def one(client: AsyncClient, call: messages.Call) -> DeadLetterAnswer:
    return messages.decode(await client.send(call), DeadLetterAnswer)


def checked(letter: str) -> str:
    try:
        return str(uuid.UUID(letter))
    except ValueError:
        raise InvalidRequest(f"{letter!r} is no id", hint="list them: trenova dead-letters list") from None


def edited(entry: bytes) -> bytes:
    """The entry as it leaves the editor. Raises InvalidRequest when that fails or is closed without a change."""
    try:
        text = click.edit(entry.decode(errors="replace"), extension=".json")
    except click.ClickException as error:
        raise InvalidRequest(error.format_message(), hint="set EDITOR to one that works, or use --file") from None
    if text is None or text.encode() == entry:
        raise InvalidRequest("nothing was changed", hint="save the file in the editor, or name one with --file")
    return text.encode()


def tell(letter: DeadLetterAnswer, *, as_json: bool) -> None:
    if as_json:
        print(json_output.plain_json(letter))
    elif letter.state == "stored":
        print("stored")
    else:
        console().print("still parked:", literal(letter.reason), highlight=False)
    if letter.state != "stored":
        raise typer.Exit(STILL_PARKED)


def table(letters: list[DeadLetterAnswer]) -> Table:
    shown = Table("id", "tenant", "parked", "attempts", "next try", "code", "reason", box=None, pad_edge=False)
    for each in letters:
        next_try = f"{each.next_try_at:%Y-%m-%d %H:%M}" if each.next_try_at else "stored"
        cells = (str(each.id), each.tenant or "(none)", f"{each.parked_at:%Y-%m-%d %H:%M}", str(each.attempts))
        shown.add_row(*(literal(cell) for cell in (*cells, next_try, each.code, each.reason)))
    return shown
