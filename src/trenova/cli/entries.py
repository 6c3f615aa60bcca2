"""`trenova entries` and `trenova tail`: reading the log."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trenova.cli import settings
from trenova.client import AsyncClient
from trenova.config import DEFAULT_DATA_DIR

PAGE = 1000
DEFAULT_LIMIT = 50
ASK_AGAIN_S = 1.0
PIPE_WIDTH = 250  # a file or another program has no width; a line an entry is what they want
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
    api_url: settings.ApiUrl = None,
    api_key: settings.ApiKeyText = None,
    data_dir: settings.DataDir = DEFAULT_DATA_DIR,
    as_json: settings.Json = False,
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
    client = AsyncClient(*settings.server(data_dir, api_url, api_key))
    asyncio.run(show_pages(client, filters, None if everything else limit, Output(as_json)))


def tail(
    tenant: Tenant = None,
    actor: Actor = None,
    action: Action = None,
    target: Target = None,
    outcome: Outcome = None,
    text: TextFilter = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the first entry ever stored.")] = False,
    api_url: settings.ApiUrl = None,
    api_key: settings.ApiKeyText = None,
    data_dir: settings.DataDir = DEFAULT_DATA_DIR,
    as_json: settings.Json = False,
) -> None:
    """Follow the log: print entries as they are stored, until Ctrl-C. None is left out, none comes twice."""
    filters = {"tenant": tenant, "actor": actor, "action": action, "target": target, "outcome": outcome, "q": text}
    client = AsyncClient(*settings.server(data_dir, api_url, api_key))
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
                return


async def follow(client: AsyncClient, filters: dict[str, str | None], output: "Output", *, from_start: bool) -> None:
    cursor = None if from_start else NOW
    async with client:
        while True:
            page = await client.list(cursor=cursor, limit=PAGE, order="stored", **filters)
            output.write(page.entries)
            cursor = page.next_cursor
            if len(page.entries) < PAGE:
                await asyncio.sleep(ASK_AGAIN_S)


class Output:
    """Entries as aligned lines for people, or as the exact JSON that is stored, one a line."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console()
        if not self.console.is_terminal:
            self.console.width = PIPE_WIDTH
        self.decoder = msgspec.json.Decoder(Row)

    def write(self, found: list[msgspec.Raw]) -> None:
        if self.as_json:
            for entry in found:
                print(bytes(entry).decode())
        elif found:
            self.console.print(self.table(found))
        self.console.file.flush()

    def table(self, found: list[msgspec.Raw]) -> Table:
        """Text() takes everything literally: entries are other people's words, and may hold markup."""
        table = Table(box=None, pad_edge=False)
        table.add_column("occurred", no_wrap=True, min_width=19)
        for name in ("tenant", "actor", "action", "target", "outcome"):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        for entry in found:
            row = self.decoder.decode(entry)
            when = row.occurred_at.strftime("%Y-%m-%d %H:%M:%S")
            texts = (when, row.tenant, party(row.actor), row.action, party(row.target), row.outcome)
            table.add_row(*(Text(printable(text)) for text in texts))
        return table


def party(value: dict[str, Any]) -> str:
    return f"{value['type']} {value.get('name') or value['id']}"


def printable(text: str) -> str:
    """Control characters could rewrite the reader's terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
