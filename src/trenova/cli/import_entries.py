"""`trenova import`: sends entries, or the audit events of other products, from files to the API."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trenova.cli import api_client, options
from trenova.cli.terminal import json_output
from trenova.errors import InvalidRequest, TrenovaError
from trenova.runtime.phrases import many

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Iterator

    from rich.progress import Progress, TaskID

    from trenova.client import AsyncClient
    from trenova.importing.chunks import Chunk, Line
    from trenova.importing.read import Source
    from trenova.importing.tally import Tally

# Enough to keep the server busy while an answer is in transit; more would only wait there.
CONCURRENT_REQUESTS = 4
RETRY_FOR_S = 60.0  # long enough for a server to restart
INVALID_ENTRIES = 422
IN_PART = 3
ONLY_IF_ANY = {"differing", "spooled", "parked"}
"""Counts that the summary leaves out when they are 0."""


def import_files(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="NDJSON or JSON, plain or .gz; - reads standard input.")
    ],
    map_name: Annotated[
        Literal["none", "cloudtrail", "kubernetes", "github", "okta", "gcp"],
        typer.Option("--map", help="The product that wrote the events; none if they already are entries."),
    ] = "none",
    tenant: Annotated[
        str | None, typer.Option(help="The tenant of all entries, in place of the one in an event.")
    ] = None,
    refused: Annotated[Path, typer.Option(help="File for refused lines, with their reasons.", dir_okay=False)] = Path(
        "refused.ndjson"
    ),
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Import audit events from files. Importing a file again stores nothing twice.

    Example: trenova import --map cloudtrail trail.ndjson.gz
    """
    import asyncio

    from trenova.importing.maps import mapper
    from trenova.importing.tally import Tally

    client = api_client.open_client(data_dir, api_url, api_key, retry_for_s=RETRY_FOR_S)
    mapper(map_name, tenant=tenant)  # raises for a wrong name or tenant, before anything is sent
    if refused.resolve() in {Path(name).resolve() for name in files}:
        raise InvalidRequest(
            f"{refused} cannot be read and written at the same time", hint="name another file with --refused"
        )
    tally = Tally(refused_file=refused)
    try:
        with tally:
            asyncio.run(run_import(files, map_name, tenant, client, tally))
    except (TrenovaError, KeyboardInterrupt):
        if tally.read:
            print_summary(tally, as_json=as_json)
            if not as_json:
                print("stopped early; run the same import again to continue: nothing is stored twice", file=sys.stderr)
        raise
    print_summary(tally, as_json=as_json)
    if tally.refused or tally.parked:
        raise typer.Exit(IN_PART)


async def run_import(files: list[str], map_name: str, tenant: str | None, client: AsyncClient, tally: Tally) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from trenova.cli.terminal.screen import stderr_console
    from trenova.importing.chunks import split_into_chunks
    from trenova.importing.read import open_source

    console = stderr_console()
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[entries]:,} entries, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    ]
    async with client:
        with ExitStack() as stack:
            progress = stack.enter_context(Progress(*columns, console=console, disable=not console.is_terminal))
            # All files are opened first: a wrong name is an error before anything is sent.
            for name, source in [(name, stack.enter_context(open_source(name))) for name in files]:
                bar = progress.add_task(name, total=source.total_bytes, entries=0, rate=0.0)
                lines = map_records(name, source, map_name, tenant, tally)
                await send_all(
                    client,
                    split_into_chunks(lines),
                    tally,
                    lambda: show_progress(progress, bar, source, tally),  # noqa: B023 - used within the turn
                )


def map_records(name: str, source: Source, map_name: str, tenant: str | None, tally: Tally) -> Iterator[Line]:
    """The lines of a file whose records can become entries; the others are counted and written as refused."""
    from trenova.importing.chunks import Line
    from trenova.importing.maps import MapError, mapper
    from trenova.importing.record import UnreadableRecord

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


async def send_all(
    client: AsyncClient, chunks: Iterable[Chunk], tally: Tally, show_progress: Callable[[], None]
) -> None:
    """Send the chunks, a few at a time. Stops at the first error, after the requests in flight have finished."""
    import asyncio

    in_flight: set[asyncio.Task[None]] = set()
    try:
        for chunk in chunks:
            while len(in_flight) >= CONCURRENT_REQUESTS:
                done, in_flight = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                show_progress()
            in_flight.add(asyncio.create_task(send_chunk(client, chunk, tally)))
            await asyncio.sleep(0)  # reading files never awaits, so let the requests go out
    finally:
        if in_flight:
            await asyncio.wait(in_flight)
    for task in in_flight:
        task.result()
    show_progress()


async def send_chunk(client: AsyncClient, chunk: Chunk, tally: Tally) -> None:
    from trenova.client import ApiError

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


def show_progress(progress: Progress, bar: TaskID, source: Source, tally: Tally) -> None:
    rate = tally.settled / max(tally.seconds(), 0.001)
    progress.update(bar, completed=source.consumed_bytes, entries=tally.settled, rate=rate)


def print_summary(tally: Tally, *, as_json: bool) -> None:
    if as_json:
        print(json_output.to_json(tally.counts()))
        return
    counts = " · ".join(
        f"{name} {number:,}" for name, number in tally.counts().items() if number or name not in ONLY_IF_ANY
    )
    print(f"{counts} · {tally.seconds():.1f} s")
    if tally.differing:
        differing = many(tally.differing, "duplicate differs", "duplicates differ")
        print(f"{differing} from the stored entry with the same id, which stays unchanged")
    if tally.spooled:
        print("Temporal is unreachable: spooled entries wait on the API's disk until it is available again")
    if tally.parked:
        print("the database rejected the parked entries; they are retried. Reasons: trenova dead-letters list")
    if tally.refused:
        print(f"refused lines and their reasons: {tally.refused_file}")
