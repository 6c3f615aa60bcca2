"""`trenova entries` and `trenova tail`: reading the log."""

import asyncio
import sys
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from trenova.cli import api_client, options, pipes
from trenova.cli.screen import console, literal
from trenova.client import AsyncClient
from trenova.config import DEFAULT_DATA_DIR

PAGE = 1000
DEFAULT_LIMIT = 50
ASK_AGAIN_S = 1.0
GIVE_UP_READING_S = 5.0  # somebody sits and waits for the answer
GIVE_UP_FOLLOWING_S = 60.0
COLUMNS = ("occurred", "tenant", "actor", "action", "target", "outcome")
GAP = 2  # what the table puts between two columns
NOW = "now"  # the cursor of the feed's end

Tenant = Annotated[str | None, typer.Option(help="Of this tenant only.")]
Actor = Annotated[str | None, typer.Option(help="By the actor with this id.")]
Action = Annotated[str | None, typer.Option(help="This action, or its beginning and *: 'shipment.*'.")]
Target = Annotated[str | None, typer.Option(help="On the target with this id.")]
Outcome = Annotated[Literal["success", "failure", "denied"] | None, typer.Option(help="With this outcome.")]
TextFilter = Annotated[str | None, typer.Option("--q", help="With this text anywhere in it.")]


class Row(msgspec.Struct, frozen=True):
    """What the table shows of an entry."""

    occurred_at: datetime
    tenant: str
    actor: dict[str, Any]
    action: str
    target: dict[str, Any]
    outcome: str


def entries(
    tenant: Tenant = None,
    actor: Actor = None,
    action: Action = None,
    target: Target = None,
    outcome: Outcome = None,
    since: Annotated[str | None, typer.Option("--from", help="Not before this time (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before this time (RFC 3339).")] = None,
    text: TextFilter = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List entries, newest first. Times are UTC.

    Example: trenova entries --actor u_42 --action 'shipment.*' --from 2026-01-01T00:00:00Z
    """
    filters = {
        "tenant": tenant,
        "actor": actor,
        "action": action,
        "target": target,
        "outcome": outcome,
        "from": since,
        "to": until,
        "q": text,
    }
    client = api_client.client(data_dir, api_url, api_key, retry_for_s=GIVE_UP_READING_S)
    asyncio.run(show_pages(client, filters, None if everything else limit, Output(as_json)))


def tail(
    tenant: Tenant = None,
    actor: Actor = None,
    action: Action = None,
    target: Target = None,
    outcome: Outcome = None,
    text: TextFilter = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the first entry ever stored.")] = False,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Follow the log: print entries as they are stored, until Ctrl-C. None is left out, none comes twice.

    Example: trenova tail --tenant acme --outcome denied
    """
    filters = {"tenant": tenant, "actor": actor, "action": action, "target": target, "outcome": outcome, "q": text}
    client = api_client.client(data_dir, api_url, api_key, retry_for_s=GIVE_UP_FOLLOWING_S)
    asyncio.run(follow(client, filters, Output(as_json), from_start=from_start))


async def show_pages(client: AsyncClient, filters: dict[str, str | None], limit: int | None, output: "Output") -> None:
    cursor: str | None = None
    left = limit
    async with client:
        while left is None or left > 0:
            page = await client.list(cursor=cursor, limit=min(PAGE, left or PAGE), **filters)
            output.write(page.entries)
            left = None if left is None else left - len(page.entries)
            cursor = page.next_cursor
            if cursor is None:
                break
    output.end()


async def follow(client: AsyncClient, filters: dict[str, str | None], output: "Output", *, from_start: bool) -> None:
    cursor = None if from_start else NOW
    async with client:
        while True:
            page = await client.list(cursor=cursor, limit=PAGE, order="stored", **filters)
            output.write(page.entries)
            cursor = page.next_cursor
            if len(page.entries) < PAGE:
                await asyncio.sleep(ASK_AGAIN_S)
                pipes.look()


class Output:
    """Entries as aligned lines for people, or as the exact JSON that is stored, one a line."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.console = console()
        self.decoder = msgspec.json.Decoder(Row)
        self.widths = [len(name) for name in COLUMNS]
        self.shown = 0

    def write(self, found: list[msgspec.Raw]) -> None:
        if self.as_json:
            # Bytes, whatever encoding the terminal has: these are the ones that are hashed.
            sys.stdout.buffer.writelines(bytes(entry) + b"\n" for entry in found)
            sys.stdout.buffer.flush()
        elif found:
            self.console.print(self.table(found))
            self.console.file.flush()
        self.shown += len(found)

    def end(self) -> None:
        if not self.shown and not self.as_json:
            print("no entries found", file=sys.stderr)

    def table(self, found: list[msgspec.Raw]) -> Table:
        """Further tables of an output have no header, and their columns are no narrower than before."""
        rows = [[literal(text) for text in cells(self.decoder.decode(entry))] for entry in found]
        self.widths = [
            max(before, *(row[column].cell_len for row in rows)) for column, before in enumerate(self.widths)
        ]
        table = Table(box=None, pad_edge=False, show_header=not self.shown)
        for name, width in zip(COLUMNS, fitted(self.widths, self.console.width), strict=True):
            table.add_column(name, no_wrap=True, overflow="ellipsis", width=width)
        for row in rows:
            table.add_row(*row)
        return table


def fitted(widths: list[int], screen: int) -> list[int]:
    """The widths with the widest, but never the time, cut until all columns and their gaps fit the screen."""
    time, *cut = widths
    while time + sum(cut) + GAP * len(cut) > screen and max(cut) > 1:
        cut[cut.index(max(cut))] -= 1
    return [time, *cut]


def cells(row: Row) -> tuple[str, ...]:
    when = row.occurred_at.strftime("%Y-%m-%d %H:%M:%S")
    return when, row.tenant, party(row.actor), row.action, party(row.target), row.outcome


def party(value: dict[str, Any]) -> str:
    return f"{value['type']} {value.get('name') or value['id']}"
