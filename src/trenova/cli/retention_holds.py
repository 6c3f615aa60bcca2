"""`trenova hold`: what retention must leave alone."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from trenova.cli import json_output, options
from trenova.cli.options import not_empty
from trenova.cli.retention_store import By, as_owner, said, tenant_of, who, with_store
from trenova.cli.screen import console, literal
from trenova.config import DEFAULT_DATA_DIR
from trenova.domain.entry import Time
from trenova.errors import InvalidRequest
from trenova.runtime.installation.settings import load_settings

if TYPE_CHECKING:
    from trenova.store.retention import Hold

MAX_REASON = 8192  # as a comment, which it becomes

app = typer.Typer(
    help="Place, list and release legal holds: what retention must leave alone.",
    no_args_is_help=True,
    epilog="Example: trenova hold place --tenant acme --name 'Case 17' --reason 'Court order 4 O 12/26'",
)

Reason = Annotated[str, typer.Option(help="Why: it is kept, and an entry tells it.")]


@app.command()
def place(
    name: Annotated[str, typer.Option(help="What it is called, to know it again.")],
    reason: Reason,
    tenant: Annotated[str | None, typer.Option(help="Entries of this tenant.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="Entries of every tenant.")] = False,
    actor: Annotated[str | None, typer.Option(callback=not_empty, help="By the actor with this id.")] = None,
    action: Annotated[
        str | None, typer.Option(callback=not_empty, help="This action, or its beginning and *: 'shipment.*'.")
    ] = None,
    target: Annotated[str | None, typer.Option(callback=not_empty, help="On the target with this id.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="That occurred not before this time (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="That occurred before this time (RFC 3339).")] = None,
    by: By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Keep what matches all of these filters, however old, until the hold is released. Prints the hold's id.

    Once this returns, nothing that it matches is removed. What was removed before is gone. Needs the database login
    that owns the tables, from database.ownerUrl or database.url. The hold is an entry in the tenant's log.

    Example: trenova hold place --tenant acme --actor u_42 --name 'Case 17' --reason 'Court order 4 O 12/26'
    """
    from trenova.store.retention.holds import Matching  # noqa: PLC0415 - slow to import

    matching = Matching(
        tenant=tenant_of(tenant, every=all_tenants, word="--all-tenants"),
        actor=actor,
        action=action,
        target=target,
        occurred_from=moment(since, "--from"),
        occurred_to=moment(until, "--to"),
    )
    words = {"name": said(name, "--name"), "reason": said(reason, "--reason", most=MAX_REASON), "by": who(by)}
    id_ = as_owner(config, data_dir, lambda store: store.holds.place(matching, **words))
    print(json_output.plain_json({"id": id_}) if as_json else id_)


@app.command("list")
def list_holds(
    released: Annotated[bool, typer.Option("--released", help="Those that were released, too.")] = False,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List the holds that are in force, oldest first. Times are UTC.

    Example: trenova hold list --released
    """
    every = with_store(load_settings(config, data_dir), lambda store: store.holds.list())
    holds = [hold for hold in every if released or hold.released_at is None]
    if as_json:
        json_output.print_lines(holds)
        return
    table = Table("id", "tenant", "name", "matches", "placed", "by", "released", box=None, pad_edge=False)
    for hold in holds:
        gone = f"{hold.released_at:%Y-%m-%d %H:%M}" if hold.released_at else ""
        placed = f"{hold.placed_at:%Y-%m-%d %H:%M}"
        cells = (str(hold.id), hold.tenant, hold.name, matches(hold), placed, hold.placed_by, gone)
        table.add_row(*map(literal, cells))
    console().print(table)


@app.command()
def release(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="As `trenova hold list` shows it.")],
    reason: Reason,
    by: By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Release a hold. What it alone kept, and is past its retention, goes with the next run.

    Needs the database login that owns the tables, from database.ownerUrl or database.url.

    Example: trenova hold release 3f9a0c1d-2e4b-4c5d-8e6f-7a8b9c0d1e2f --reason 'Case 17 is closed'
    """
    try:
        id_ = uuid.UUID(hold_id)
    except ValueError:
        raise InvalidRequest(f"{hold_id!r} is no id of a hold", hint="list them: trenova hold list") from None
    why, author = said(reason, "--reason", most=MAX_REASON), who(by)
    as_owner(config, data_dir, lambda store: store.holds.release(id_, reason=why, by=author))
    print(json_output.plain_json({"id": id_, "released": True}) if as_json else f"released {id_}")


def moment(text: str | None, option: str) -> datetime | None:
    try:
        return None if text is None else msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"{option}: {text!r} given, expected a time with an offset", hint="for example 2026-01-31T00:00:00Z"
        ) from None


def matches(hold: "Hold") -> str:
    """The filters in a few words."""
    filters = {
        "actor": hold.actor,
        "action": hold.action,
        "target": hold.target,
        "from": hold.occurred_from and f"{hold.occurred_from:%Y-%m-%dT%H:%M:%SZ}",
        "to": hold.occurred_to and f"{hold.occurred_to:%Y-%m-%dT%H:%M:%SZ}",
    }
    return " ".join(f"{name}={value}" for name, value in filters.items() if value is not None) or "everything"
