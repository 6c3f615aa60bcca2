"""`trenova import`: other products' audit events, or entries, out of files and into the log."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from trenova.cli import api_client, json_output, options
from trenova.client import ApiError, AsyncClient
from trenova.config import DEFAULT_DATA_DIR
from trenova.errors import InvalidRequest, TrenovaError
from trenova.importing.chunks import Chunk, Line, chunked
from trenova.importing.maps import MapError, mapper
from trenova.importing.read import Source, open_source
from trenova.importing.record import UnreadableRecord
from trenova.importing.tally import Tally

# Enough to keep the server busy while an answer is on its way; more only waits there.
REQUESTS_AT_ONCE = 4
GIVE_UP_S = 60.0  # a server that starts anew is back by then
INVALID_ENTRIES = 422
IN_PART = 3


def import_files(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="NDJSON or JSON, plain or .gz; - reads stdin.")],
    map_name: Annotated[
        Literal["none", "cloudtrail", "kubernetes", "github", "okta", "gcp"],
        typer.Option("--map", help="Whose events they are; none: they are entries already."),
    ] = "none",
    tenant: Annotated[str | None, typer.Option(help="The tenant, for events that name none.")] = None,
    refused: Annotated[Path, typer.Option(help="Where refused lines go, with their reasons.", dir_okay=False)] = Path(
        "refused.ndjson"
    ),
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Import audit events from files. Importing the same again stores nothing twice.

    Example: trenova import --map cloudtrail trail.ndjson.gz
    """
    client = api_client.client(data_dir, api_url, api_key, retry_for_s=GIVE_UP_S)
    mapper(map_name, tenant=tenant)  # a wrong name or tenant is an error before anything is sent
    if refused.resolve() in {Path(name).resolve() for name in files}:
        raise InvalidRequest(f"{refused} cannot be read and written at once", hint="name another file with --refused")
    tally = Tally(refused_file=refused)
    try:
        with tally:
            asyncio.run(run(files, map_name, tenant, client, tally))
    except (TrenovaError, KeyboardInterrupt):
        if tally.read:
            summarize(tally, as_json)
            if not as_json:
                print("stopped early; run the same import again to go on: nothing is stored twice", file=sys.stderr)
        raise
    summarize(tally, as_json)
    if tally.refused or tally.parked:
        raise typer.Exit(IN_PART)


async def run(files: list[str], map_name: str, tenant: str | None, client: AsyncClient, tally: Tally) -> None:
    console = Console(stderr=True)
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[entries]:,} entries, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    ]
    async with client:
        with ExitStack() as stack:
            progress = stack.enter_context(Progress(*columns, console=console, disable=not console.is_terminal))
            # All are opened first: a wrong name is an error before anything is sent.
            for name, source in [(name, stack.enter_context(open_source(name))) for name in files]:
                bar = progress.add_task(name, total=source.total_bytes, entries=0, rate=0.0)
                lines = mapped(name, source, map_name, tenant, tally)
                await send_all(client, chunked(lines), tally, lambda: show(progress, bar, source, tally))  # noqa: B023 - used within the turn


def mapped(name: str, source: Source, map_name: str, tenant: str | None, tally: Tally) -> Iterator[Line]:
    to_entry = mapper(map_name, tenant=tenant)
    for record in source:
        tally.read += 1
        if isinstance(record, UnreadableRecord):
            tally.refuse(name, record.line, record.reason, record.raw)
            continue
        try:
            entry = to_entry(record.event)
        except MapError as error:
            tally.refuse(name, record.line, str(error), record.raw)
        else:
            yield Line(file=name, line=record.line, raw=record.raw, entry=entry)


async def send_all(client: AsyncClient, chunks: Iterable[Chunk], tally: Tally, show: Callable[[], None]) -> None:
    """Send the chunks, a few at once. The first error ends it, after the requests that are under way."""
    under_way: set[asyncio.Task[None]] = set()
    try:
        for chunk in chunks:
            while len(under_way) >= REQUESTS_AT_ONCE:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                show()
            under_way.add(asyncio.create_task(send(client, chunk, tally)))
            await asyncio.sleep(0)  # reading never waits, so let the requests go out
    finally:
        if under_way:
            await asyncio.wait(under_way)
    for task in under_way:
        task.result()
    show()


async def send(client: AsyncClient, chunk: Chunk, tally: Tally) -> None:
    try:
        answer = await client.add([line.entry for line in chunk], wait=True, partial=True)
    except ApiError as error:
        if error.status != INVALID_ENTRIES:
            raise
        tally.refuse_lines(chunk, error.problems)
        return
    tally.refuse_lines(chunk, answer.errors)
    for entry in answer.entries:
        tally.count(entry)


def show(progress: Progress, bar: TaskID, source: Source, tally: Tally) -> None:
    rate = tally.settled / max(tally.seconds(), 0.001)
    progress.update(bar, completed=source.consumed_bytes, entries=tally.settled, rate=rate)


# Told only where there are any.
SELDOM = {"differing", "spooled", "parked"}


def summarize(tally: Tally, as_json: bool) -> None:
    if as_json:
        print(json_output.plain_json(tally.counts()))
        return
    counts = " · ".join(f"{name} {number:,}" for name, number in tally.counts().items() if number or name not in SELDOM)
    print(f"{counts} · {tally.seconds():.1f} s")
    if tally.differing:
        print(f"{tally.differing:,} duplicates have another content than what is stored; the first stays")
    if tally.spooled:
        print("Temporal is away: spooled entries wait on the API's disk and are stored when it is back")
    if tally.parked:
        print("parked entries are kept and tried again; why: trenova dead-letters list")
    if tally.refused:
        print(f"refused lines and their reasons: {tally.refused_file}")
