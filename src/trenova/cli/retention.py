"""`trenova retention`: how long content is kept, and removing what is older."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from trenova.cli import json_output, options
from trenova.cli.retention_store import By, as_owner, tenant_of, who, with_store
from trenova.cli.screen import console, literal
from trenova.config import DEFAULT_DATA_DIR
from trenova.errors import NotFound
from trenova.runtime.installation import logins
from trenova.runtime.installation.settings import load_settings

if TYPE_CHECKING:
    from trenova.store import Store
    from trenova.store.retention import Policy

MAX_DAYS = 36500

app = typer.Typer(
    help="Say how long entries are kept, and remove what is older.",
    no_args_is_help=True,
    epilog="Example: trenova retention set --tenant acme --days 365",
)

Tenant = Annotated[str | None, typer.Option(help="The tenant whose log it is for.")]
Default = Annotated[bool, typer.Option("--default", help="For every tenant that has nothing of its own.")]


@app.command()
def show(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Show what is set, the default (*) first. A tenant that neither names is kept for ever.

    Example: trenova retention show
    """
    policies = with_store(load_settings(config, data_dir), lambda store: store.policies.list())
    if as_json:
        json_output.print_lines(policies)
        return
    if not policies:
        print("everything is kept for ever")
        return
    table = Table("tenant", "kept", "set by", "set", box=None, pad_edge=False)
    for policy in policies:
        cells = (policy.tenant, kept(policy), policy.set_by, f"{policy.set_at:%Y-%m-%d %H:%M}")
        table.add_row(*map(literal, cells))
    console().print(table)


def kept(policy: "Policy") -> str:
    return "for ever" if policy.days is None else f"{policy.days} days"


@app.command("set")
def set_policy(
    tenant: Tenant = None,
    default: Default = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="Days since the server received an entry.")
    ] = None,
    for_ever: Annotated[bool, typer.Option("--for-ever", help="Keep everything, whatever the default says.")] = False,
    by: By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Say how long content is kept. Nothing is removed before the next run: tonight at 02:00 UTC, or `retention run`.

    Needs the database login that owns the tables, from database.ownerUrl or database.url. The change is an entry in the
    tenant's log.

    Example: trenova retention set --tenant acme --days 365
    """
    if (days is None) != for_ever:
        raise typer.BadParameter("say either --days N or --for-ever")
    named = tenant_of(tenant, every=default, word="--default")
    author = who(by)
    as_owner(config, data_dir, lambda store: store.policies.set(named, days, by=author))
    if as_json:
        print(json_output.plain_json({"tenant": named, "days": days}))
    else:
        print(f"{named}: kept {'for ever' if days is None else f'{days} days'}")


@app.command()
def unset(
    tenant: Tenant = None,
    default: Default = False,
    by: By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Take back what was set: the tenant follows the default again, and without a default is kept for ever.

    Needs the database login that owns the tables, from database.ownerUrl or database.url.

    Example: trenova retention unset --tenant acme
    """
    named = tenant_of(tenant, every=default, word="--default")
    author = who(by)
    as_owner(config, data_dir, lambda store: store.policies.unset(named, by=author))
    print(json_output.plain_json({"tenant": named, "unset": True}) if as_json else f"{named}: unset")


class Total(msgspec.Struct):
    """What a run came to in one log."""

    tenant: str
    entries: int = 0
    bytes: int = 0
    held: int = 0
    """Old enough, and under a legal hold. After a run: those that it came by for the first time."""


@dataclass(frozen=True, slots=True)
class Run:
    tenant: str
    dry_run: bool

    async def totals(self, store: "Store") -> list[Total]:
        totals: dict[str, Total] = {}
        async for step in store.removals.run(tenant=self.tenant, only_look=self.dry_run):
            total = totals.setdefault(step.tenant, Total(tenant=step.tenant))
            total.entries += step.entries
            total.bytes += step.bytes
            total.held += step.held
        return list(totals.values())


@app.command()
def run(
    tenant: Annotated[str | None, typer.Option(help="This log only.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Remove the content of what is older than its policy and under no hold, as the nightly run does.

    Needs a database login with the role trenova_worker in database.url, and the signing key.

    It may be stopped at any moment, and started again; what is removed cannot be brought back.

    Example: trenova retention run --dry-run
    """
    options.check_tenant(tenant)
    totals = with_store(
        load_settings(config, data_dir, logins.WORKER), Run(tenant or "", dry_run).totals, logins.WORKER
    )
    if tenant is not None and not totals:
        raise NotFound(
            f"there is no log of the tenant {tenant} with a retention", hint="list them: trenova retention show"
        )
    if as_json:
        json_output.print_lines(totals)
        return
    table = Table("tenant", "would go" if dry_run else "removed", "bytes", "held", box=None, pad_edge=False)
    for total in totals:
        table.add_row(*map(literal, (total.tenant, f"{total.entries:,}", f"{total.bytes:,}", f"{total.held:,}")))
    console().print(table)
