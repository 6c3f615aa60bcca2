"""`trenova reconcile`: finds accepted batches whose workflows closed without storing them, and stores them.

A command and not a workflow: whoever can terminate our workflows, or polls our task queue with a worker of their own,
could also terminate this one, or answer for it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import typer

from trenova.cli import database, options
from trenova.cli.terminal import json_output
from trenova.runtime.installation import logins
from trenova.runtime.phrases import many

if TYPE_CHECKING:
    from trenova.config import Settings
    from trenova.domain.reconciliation import ReconciliationResult
    from trenova.store.reconciliation import ClosedRun

DONE_IN_PART = 3
MAX_LISTED = 1_000


def reconcile(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Store what Temporal has and the database lacks.

    The workers do this every five minutes. This command needs what a worker needs (its login, the signing key, the
    encryption keys), and no running worker.

    Exit code 0: nothing is missing; 3: batches are missing that cannot be stored, each is named with the reason.

    Example: trenova reconcile --config config/config.yaml
    """
    from trenova.runtime import event_loop, log_output
    from trenova.runtime.installation.settings import load_settings

    settings = load_settings(config, data_dir, logins.WORKER)
    log_output.set_up(settings.log)
    with database.explain_missing_rights(logins.WORKER, settings):
        result, missing = event_loop.run(compare(settings))
    if as_json:
        print(json_output.to_json(as_data(result, missing)))
    else:
        print_report(result, missing)
    if missing:
        raise typer.Exit(DONE_IN_PART)


async def compare(settings: Settings) -> tuple[ReconciliationResult, list[ClosedRun]]:
    from trenova.cli.terminal.screen import stderr_console
    from trenova.codec.compose import load_converter
    from trenova.domain.reconciliation import ReconciliationResult
    from trenova.keys.signing import load_signer
    from trenova.reconciliation import Reconciler
    from trenova.runtime.connection import connect
    from trenova.runtime.process import database_url
    from trenova.store import Store

    signer = load_signer(settings, os.environ)
    client = await connect(settings.temporal, load_converter(settings.temporal.security, os.environ))
    result = ReconciliationResult()
    async with Store.open(database_url(settings), signer=signer) as store:
        await store.check()
        with stderr_console().status("comparing closed workflows with the database") as status:
            async for result in Reconciler(client, store.entries, store.reconciliation).run(compare_all=True):
                status.update(f"{result.runs:,} compared, {result.batches:,} missing batches stored")
        return result, await store.reconciliation.missing(MAX_LISTED)


def as_data(result: ReconciliationResult, missing: list[ClosedRun]) -> dict[str, Any]:
    return {
        "runs": result.runs,
        "recovered": {"batches": result.batches, "stored": result.stored, "parked": result.parked},
        "foreign": result.foreign,
        "missing": [
            {
                "workflow_id": run.workflow_id,
                "run_id": run.run_id,
                "ended_as": run.ended_as,
                "closed_at": run.closed_at,
                "reason": run.reason,
            }
            for run in missing
        ],
    }


def print_report(result: ReconciliationResult, missing: list[ClosedRun]) -> None:
    print(f"{many(result.runs, 'closed workflow', 'closed workflows')} compared with the database")
    if result.batches:
        missing_batches = many(result.batches, "batch was", "batches were")
        entries = many(result.stored, "entry", "entries")
        print(f"{missing_batches} missing: {entries} stored, {result.parked:,} parked")
    if result.foreign:
        foreign = many(result.foreign, "workflow", "workflows")
        print(f"{foreign} cannot be read. The API did not start any of them, so no client relies on them")
    if not missing:
        print("no accepted batch is missing")
        return
    from rich.table import Table

    from trenova.cli.terminal.screen import literal, stdout_console

    table = Table("workflow", "ended as", "closed", "reason", box=None, pad_edge=False)
    for run in missing:
        cells = (run.workflow_id, run.ended_as, f"{run.closed_at:%Y-%m-%d %H:%M}", run.reason or "not tried yet")
        table.add_row(*map(literal, cells))
    stdout_console().print(table)
    print(
        f"{many(len(missing), 'batch is', 'batches are')} missing and cannot be stored: see docs/outages.md",
        file=sys.stderr,
    )
