"""`trenova entries` and `trenova tail`: reading entries."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from trenova.cli import api_client, options
from trenova.cli.terminal import pipes

if TYPE_CHECKING:
    from rich.table import Table

    from trenova.client import AsyncClient

PAGE = 1000
DEFAULT_LIMIT = 50
POLL_INTERVAL_S = 1.0
RETRY_READING_FOR_S = 5.0  # a person is waiting for the answer
RETRY_FOLLOWING_FOR_S = 60.0
COLUMNS = ("occurred", "tenant", "actor", "action", "target", "outcome")
GAP = 2  # what the table puts between two columns
NOW = "now"  # the cursor of the feed's end

Tenant = Annotated[str | None, typer.Option(help="Only this tenant.")]
Actor = Annotated[str | None, typer.Option(help="By the actor with this id.")]
Action = Annotated[str | None, typer.Option(help="With this action, or a prefix and *: 'shipment.*'.")]
Target = Annotated[str | None, typer.Option(help="On the target with this id.")]
Outcome = Annotated[Literal["success", "failure", "denied"] | None, typer.Option(help="With this outcome.")]
TextFilter = Annotated[str | None, typer.Option("--q", help="With this text anywhere in the entry.")]


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
    since: Annotated[str | None, typer.Option("--from", help="At or after this time (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before this time (RFC 3339).")] = None,
    text: TextFilter = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="List all of them.")] = False,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List entries, newest first. Times are UTC.

    Example: trenova entries --actor u_42 --action 'shipment.*' --from 2026-01-01T00:00:00Z
    """
    import asyncio

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
    client = api_client.open_client(data_dir, api_url, api_key, retry_for_s=RETRY_READING_FOR_S)
    asyncio.run(print_pages(client, filters, None if everything else limit, Output(as_json)))


def tail(
    tenant: Tenant = None,
    actor: Actor = None,
    action: Action = None,
    target: Target = None,
    outcome: Outcome = None,
    text: TextFilter = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Start with the first entry ever stored.")] = False,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Print entries as they are stored, until Ctrl-C. None is left out, none is repeated.

    Example: trenova tail --tenant acme --outcome denied
    """
    import asyncio

    filters = {"tenant": tenant, "actor": actor, "action": action, "target": target, "outcome": outcome, "q": text}
    client = api_client.open_client(data_dir, api_url, api_key, retry_for_s=RETRY_FOLLOWING_FOR_S)
    asyncio.run(follow(client, filters, Output(as_json), from_start=from_start))


async def print_pages(client: AsyncClient, filters: dict[str, str | None], limit: int | None, output: Output) -> None:
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


async def follow(client: AsyncClient, filters: dict[str, str | None], output: Output, *, from_start: bool) -> None:
    import asyncio

    cursor = None if from_start else NOW
    async with client:
        while True:
            page = await client.list(cursor=cursor, limit=PAGE, order="stored", **filters)
            output.write(page.entries)
            cursor = page.next_cursor
            if len(page.entries) < PAGE:
                await asyncio.sleep(POLL_INTERVAL_S)
                pipes.check_reader()


class Output:
    """Prints entries as aligned columns for people, or as the exact JSON that is stored, one per line."""

    def __init__(self, as_json: bool) -> None:
        from trenova.cli.terminal.screen import stdout_console

        self.as_json = as_json
        self.console = stdout_console()
        self.decoder = msgspec.json.Decoder(Row)
        self.widths = [len(name) for name in COLUMNS]
        self.printed = 0

    def write(self, entries: list[msgspec.Raw]) -> None:
        if self.as_json:
            # Bytes, whatever the encoding of the terminal: these are the bytes that are hashed.
            sys.stdout.buffer.writelines(bytes(entry) + b"\n" for entry in entries)
            sys.stdout.buffer.flush()
        elif entries:
            self.console.print(self.table_of(entries))
            self.console.file.flush()
        self.printed += len(entries)

    def end(self) -> None:
        if not self.printed and not self.as_json:
            print("no entries found", file=sys.stderr)

    def table_of(self, entries: list[msgspec.Raw]) -> Table:
        """The table of a page. Later pages have no header, and their columns are at least as wide as before."""
        from rich.table import Table

        from trenova.cli.terminal.screen import literal

        rows = [[literal(text) for text in cells(self.decoder.decode(entry))] for entry in entries]
        self.widths = [
            max(before, *(row[column].cell_len for row in rows)) for column, before in enumerate(self.widths)
        ]
        table = Table(box=None, pad_edge=False, show_header=not self.printed)
        for name, width in zip(COLUMNS, fit_widths(self.widths, self.console.width), strict=True):
            table.add_column(name, no_wrap=True, overflow="ellipsis", width=width)
        for row in rows:
            table.add_row(*row)
        return table


def fit_widths(widths: list[int], screen_width: int) -> list[int]:
    """The widths, the widest reduced until all columns and gaps fit the screen. The first, a time, is never reduced."""
    time, *others = widths
    while time + sum(others) + GAP * len(others) > screen_width and max(others) > 1:
        others[others.index(max(others))] -= 1
    return [time, *others]


def cells(row: Row) -> tuple[str, ...]:
    time = row.occurred_at.strftime("%Y-%m-%d %H:%M:%S")
    return time, row.tenant, type_and_name(row.actor), row.action, type_and_name(row.target), row.outcome


def type_and_name(party: dict[str, Any]) -> str:
    """An actor or a target in one cell."""
    return f"{party['type']} {party.get('name') or party['id']}"
