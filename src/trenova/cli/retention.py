"""`trenova retention`: how long content is kept, and removing what is older."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from trenova.cli import options
from trenova.cli.database import use_store, use_store_as_operator, use_store_as_owner
from trenova.cli.terminal import json_output
from trenova.errors import NotFound
from trenova.runtime.installation import logins

if TYPE_CHECKING:
    from trenova.store import Store
    from trenova.store.retention import Policy

MAX_DAYS = 36500

app = typer.Typer(
    help="Set how long entries are kept, and remove older ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: trenova retention set --tenant acme --days 365",
)

Tenant = Annotated[str | None, typer.Option(help="The tenant that the policy is for.")]
Default = Annotated[bool, typer.Option("--default", help="For every tenant without a policy of its own.")]


@app.command()
def show(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Show the policies, the default (*) first. Entries that none of them covers are kept forever.

    Example: trenova retention show
    """
    policies = use_store_as_operator(config, data_dir, lambda store: store.policies.list())
    if as_json:
        json_output.print_lines(policies)
        return
    if not policies:
        print("everything is kept forever")
        return
    from rich.table import Table

    from trenova.cli.terminal.screen import literal, stdout_console

    table = Table("tenant", "kept", "set by", "set", box=None, pad_edge=False)
    for policy in policies:
        cells = (policy.tenant, duration(policy), policy.set_by, f"{policy.set_at:%Y-%m-%d %H:%M}")
        table.add_row(*map(literal, cells))
    stdout_console().print(table)


def duration(policy: Policy) -> str:
    return "forever" if policy.days is None else f"{policy.days} days"


@app.command("set")
def set_policy(
    tenant: Tenant = None,
    default: Default = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="Days since the server received an entry.")
    ] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Keep everything, whatever the default says.")] = False,
    for_ever: Annotated[bool, typer.Option("--for-ever", hidden=True, help="Former spelling of --forever.")] = False,
    by: options.By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Set how long content is kept. It takes effect with the next run: at 02:00 UTC, or with `retention run`.

    Needs the database login that owns the tables, from database.ownerUrl or database.url. The change is audited in the
    tenant's ledger.

    Example: trenova retention set --tenant acme --days 365
    """
    if (days is None) != (forever or for_ever):
        raise typer.BadParameter("give either --days N or --forever")
    name = options.tenant_or_all(tenant, every=default, flag="--default")
    author = options.author(by)
    use_store_as_owner(config, data_dir, lambda store: store.policies.set(name, days, by=author))
    if as_json:
        print(json_output.to_json({"tenant": name, "days": days}))
    else:
        print(f"{name}: kept {'forever' if days is None else f'for {days} days'}")


@app.command()
def unset(
    tenant: Tenant = None,
    default: Default = False,
    by: options.By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Remove a policy: the tenant follows the default again. Without a default its entries are kept forever.

    Needs the database login that owns the tables, from database.ownerUrl or database.url.

    Example: trenova retention unset --tenant acme
    """
    name = options.tenant_or_all(tenant, every=default, flag="--default")
    author = options.author(by)
    use_store_as_owner(config, data_dir, lambda store: store.policies.unset(name, by=author))
    print(json_output.to_json({"tenant": name, "unset": True}) if as_json else f"{name}: unset")


@dataclass(slots=True, kw_only=True)
class Total:
    """What a run removed from one ledger."""

    tenant: str
    entries: int = 0
    bytes: int = 0
    held: int = 0
    """Entries past their retention and under a legal hold. After a run: those it met for the first time."""


@dataclass(frozen=True, slots=True)
class Run:
    tenant: str
    dry_run: bool

    async def totals(self, store: Store) -> list[Total]:
        totals: dict[str, Total] = {}
        async for step in store.removals.run(tenant=self.tenant, dry_run=self.dry_run):
            total = totals.setdefault(step.tenant, Total(tenant=step.tenant))
            total.entries += step.entries
            total.bytes += step.bytes
            total.held += step.held
        return list(totals.values())


@app.command()
def run(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Remove content that is older than its policy.

    Entries under a hold are kept. This is what runs every night.

    Needs a database login with the role trenova_worker in database.url, and the signing key.

    It can be stopped at any moment and started again. What is removed cannot be restored.

    Example: trenova retention run --dry-run
    """
    from trenova.runtime.installation.settings import load_settings

    options.check_tenant(tenant)
    settings = load_settings(config, data_dir, logins.WORKER)
    totals = use_store(settings, Run(tenant or "", dry_run).totals, logins.WORKER)
    if tenant is not None and not totals:
        raise NotFound(f"the tenant {tenant} has no retention policy", hint="list them: trenova retention show")
    if as_json:
        json_output.print_lines(totals)
        return
    from rich.table import Table

    from trenova.cli.terminal.screen import literal, stdout_console

    table = Table("tenant", "would remove" if dry_run else "removed", "bytes", "held", box=None, pad_edge=False)
    for total in totals:
        table.add_row(*map(literal, (total.tenant, f"{total.entries:,}", f"{total.bytes:,}", f"{total.held:,}")))
    stdout_console().print(table)
