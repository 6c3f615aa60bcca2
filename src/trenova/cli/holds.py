"""`trenova hold`: legal holds, which retention must not remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trenova.cli import options
from trenova.cli.database import use_store_as_operator, use_store_as_owner
from trenova.cli.options import check_not_blank
from trenova.cli.terminal import json_output
from trenova.errors import InvalidRequest

if TYPE_CHECKING:
    from datetime import datetime

    from trenova.store.retention import Hold

MAX_REASON = 8192  # a reason becomes the comment of an entry, with the same limit

app = typer.Typer(
    help="Place, list and release legal holds.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: trenova hold place --tenant acme --name 'Case 17' --reason 'Court order 4 O 12/26'",
)

Reason = Annotated[str, typer.Option(help="Why; recorded with the hold and in the audit entry.")]


@app.command()
def place(
    name: Annotated[str, typer.Option(help="Name of the hold, shown in the list.")],
    reason: Reason,
    tenant: Annotated[str | None, typer.Option(help="Entries of this tenant.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="Entries of every tenant.")] = False,
    actor: Annotated[str | None, typer.Option(callback=check_not_blank, help="By the actor with this id.")] = None,
    action: Annotated[
        str | None,
        typer.Option(callback=check_not_blank, help="With this action, or a prefix and *: 'shipment.*'."),
    ] = None,
    target: Annotated[str | None, typer.Option(callback=check_not_blank, help="On the target with this id.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="That occurred at or after this time (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="That occurred before this time (RFC 3339).")] = None,
    by: options.By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Keep matching entries until the hold is released.

    An entry is kept, however old, if it matches every filter. Prints the hold's id.

    Once this returns, nothing that it matches is removed; what was removed before cannot be restored. Needs the
    database login that owns the tables, from database.ownerUrl or database.url. The hold is audited in the tenant's
    ledger.

    Example: trenova hold place --tenant acme --actor u_42 --name 'Case 17' --reason 'Court order 4 O 12/26'
    """
    from trenova.store.retention.holds import Matching

    matching = Matching(
        tenant=options.tenant_or_all(tenant, every=all_tenants, flag="--all-tenants"),
        actor=actor,
        action=action,
        target=target,
        occurred_from=parse_time(since, "--from"),
        occurred_to=parse_time(until, "--to"),
    )
    options.check_text(name, "--name")
    options.check_text(reason, "--reason", max_length=MAX_REASON)
    author = options.author(by)
    id_ = use_store_as_owner(
        config, data_dir, lambda store: store.holds.place(matching, name=name, reason=reason, by=author)
    )
    print(json_output.to_json({"id": id_}) if as_json else id_)


@app.command("list")
def list_holds(
    released: Annotated[bool, typer.Option("--released", help="Include released holds.")] = False,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List the holds in force, oldest first. Times are UTC.

    Example: trenova hold list --released
    """
    all_holds = use_store_as_operator(config, data_dir, lambda store: store.holds.list())
    holds = [hold for hold in all_holds if released or hold.released_at is None]
    if as_json:
        json_output.print_lines(holds)
        return
    from rich.table import Table

    from trenova.cli.terminal.screen import literal, stdout_console

    table = Table("id", "tenant", "name", "matches", "placed", "by", "released", box=None, pad_edge=False)
    for hold in holds:
        released_at = f"{hold.released_at:%Y-%m-%d %H:%M}" if hold.released_at else ""
        placed_at = f"{hold.placed_at:%Y-%m-%d %H:%M}"
        cells = (str(hold.id), hold.tenant, hold.name, filters_of(hold), placed_at, hold.placed_by, released_at)
        table.add_row(*map(literal, cells))
    stdout_console().print(table)


@app.command()
def release(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="As `trenova hold list` shows it.")],
    reason: Reason,
    by: options.By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Release a hold. The next run removes entries past their retention that no other hold covers.

    Needs the database login that owns the tables, from database.ownerUrl or database.url.

    Example: trenova hold release 3f9a0c1d-2e4b-4c5d-8e6f-7a8b9c0d1e2f --reason 'Case 17 is closed'
    """
    id_ = options.parse_uuid(hold_id, hint="list them: trenova hold list")
    options.check_text(reason, "--reason", max_length=MAX_REASON)
    author = options.author(by)
    use_store_as_owner(config, data_dir, lambda store: store.holds.release(id_, reason=reason, by=author))
    print(json_output.to_json({"id": id_, "released": True}) if as_json else f"released {id_}")


def parse_time(text: str | None, option: str) -> datetime | None:
    import msgspec

    from trenova.domain.entry import Time

    try:
        return None if text is None else msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"{option}: {text!r} given, expected a time with an offset", hint="for example 2026-01-31T00:00:00Z"
        ) from None


def filters_of(hold: Hold) -> str:
    """The filters of a hold, for a cell of the table."""
    filters = {
        "actor": hold.actor,
        "action": hold.action,
        "target": hold.target,
        "from": hold.occurred_from and f"{hold.occurred_from:%Y-%m-%dT%H:%M:%SZ}",
        "to": hold.occurred_to and f"{hold.occurred_to:%Y-%m-%dT%H:%M:%SZ}",
    }
    return " ".join(f"{name}={value}" for name, value in filters.items() if value is not None) or "everything"
