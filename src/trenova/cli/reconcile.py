"""`trenova reconcile`: accepted batches whose workflows are over and did not store them, found and stored by hand.

Here and not by a workflow: whoever ends workflows of ours, or polls our queue with a worker of their own, could end
this one too, and answer what they like.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from trenova.cli import database_login, event_loop, json_output, options
from trenova.cli.screen import console, literal, standard_error
from trenova.config import DEFAULT_DATA_DIR, Settings
from trenova.runtime import log_output
from trenova.runtime.installation import logins
from trenova.runtime.installation.settings import load_settings
from trenova.runtime.process import database_url

if TYPE_CHECKING:
    from trenova.domain.reconciliation import ReconciliationResult
    from trenova.store.reconciliation import ClosedRun

DONE_IN_PART = 3
SHOWN = 1_000


def reconcile(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Compare all batches that Temporal still knows with what is stored, and store what is missing.

    The workers do it every five minutes by themselves. This needs what a worker needs (its login, the signing key, the
    encryption keys) and no worker that runs.

    Exit code 0: nothing is missing; 3: batches are missing and cannot be stored, each is named with the reason.

    Example: trenova reconcile --config config/config.yaml
    """
    loaded = load_settings(config, data_dir, logins.WORKER)
    log_output.set_up(loaded.log)
    with database_login.needing(logins.WORKER, loaded):
        done, missing = event_loop.run(compare(loaded))
    if as_json:
        print(json_output.plain_json(as_data(done, missing)))
    else:
        show(done, missing)
    if missing:
        raise typer.Exit(DONE_IN_PART)


async def compare(loaded: Settings) -> "tuple[ReconciliationResult, list[ClosedRun]]":
    from trenova.codec.compose import load_converter  # noqa: PLC0415 - slow to import
    from trenova.domain.reconciliation import ReconciliationResult  # noqa: PLC0415
    from trenova.keys.signing import load_signer  # noqa: PLC0415
    from trenova.reconciliation import Reconciler  # noqa: PLC0415
    from trenova.runtime.connection import connect  # noqa: PLC0415
    from trenova.store import Store  # noqa: PLC0415

    signer = load_signer(loaded, os.environ)
    client = await connect(loaded.temporal, load_converter(loaded.temporal.security, os.environ))
    done = ReconciliationResult()
    async with Store.open(database_url(loaded), signer=signer) as store:
        await store.check()
        with standard_error().status("comparing closed workflows with what is stored") as status:
            async for done in Reconciler(client, store.entries, store.reconciliation).run(compare_all=True):
                status.update(f"{done.runs:,} compared, {done.batches:,} batches stored that were missing")
        return done, await store.reconciliation.missing(SHOWN)


def as_data(done: "ReconciliationResult", missing: "list[ClosedRun]") -> dict[str, Any]:
    return {
        "runs": done.runs,
        "recovered": {"batches": done.batches, "stored": done.stored, "parked": done.parked},
        "foreign": done.foreign,
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


def show(done: "ReconciliationResult", missing: "list[ClosedRun]") -> None:
    print(f"{done.runs:,} closed workflows compared with what is stored")
    if done.batches:
        print(f"{done.batches:,} batches were missing: {done.stored:,} entries stored, {done.parked:,} parked")
    if done.foreign:
        print(f"{done.foreign:,} workflows that the API did not start cannot be read; nobody was told of them")
    if not missing:
        print("no accepted batch is missing")
        return
    table = Table("workflow", "ended as", "closed", "reason", box=None, pad_edge=False)
    for run in missing:
        cells = (run.workflow_id, run.ended_as, f"{run.closed_at:%Y-%m-%d %H:%M}", run.reason or "not tried yet")
        table.add_row(*map(literal, cells))
    console().print(table)
    print(
        f"{len(missing):,} batches are missing and cannot be stored: docs/outages.md says what to do", file=sys.stderr
    )
