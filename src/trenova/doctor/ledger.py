"""The ledgers: their signing key, the nightly verification, the schedules, reconciliation, and parked entries."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
from temporalio.client import Schedule, WorkflowExecution, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, ok, warning
from trenova.domain.verification import Verification
from trenova.errors import LedgerDamaged, PayloadError
from trenova.keys.signing import HINT, VARIABLE, load_signer
from trenova.runtime.phrases import many, span
from trenova.store.checkpoints import Checkpoints
from trenova.worker.schedules import all_schedules, differences
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

# Reconciliation runs every five minutes, and a run may itself take minutes.
TOO_LONG_AGO, RECENTLY = timedelta(minutes=30), timedelta(days=1)
# Verification runs every night, and may itself take hours.
TOO_OLD = timedelta(days=2)
SHOWN = 3
VERIFY_NOW = f"temporal schedule trigger --schedule-id {VERIFY_SCHEDULE}"
COMPARE_NOW = (
    "check that a worker runs and no other program polls its task queue (`workers`, `schedules`); to compare them now: "
    "`trenova reconcile`"
)
RUNS = f"TemporalScheduledById = '{VERIFY_SCHEDULE}' AND ExecutionStatus != 'Running'"


async def check_signing_key(context: CheckContext) -> Verdict:
    """Whether one is configured, and whether the newest checkpoints are signed with it."""
    is_configured = context.settings.ledger.signing_key_file is not None or context.options.environ.get(VARIABLE)
    if not is_configured:
        return warning(
            f"no signing key is configured ({VARIABLE} or ledger.signingKeyFile): no worker starts without one", HINT
        )
    signer = load_signer(context.settings, context.options.environ)
    gaps = await Checkpoints(context.store.pool, signer).find_signature_gaps()
    if gaps.tenants:
        some = ", ".join(gaps.tenants[:SHOWN])
        return failure(
            f"of {many(gaps.ledgers, 'ledger', 'ledgers')} examined, {len(gaps.tenants)} have a newest checkpoint "
            f"without a signature of this key: {some}",
            "check that this key and ledger.origin are those of the workers; after a change of keys, restart the "
            "workers, which sign the checkpoints again",
        )
    checkpoints = many(gaps.ledgers, "newest checkpoint has", "newest checkpoints have")
    return ok(f"belongs to {context.settings.ledger.origin}; {checkpoints} its signature")


async def check_verification(context: CheckContext) -> Verdict:
    """What the last verification that finished has found, and when."""
    async for run in context.client.list_workflows(RUNS, limit=SHOWN):
        try:
            verification = await fetch_result(context, run)
        except PayloadError as error:
            return warning(
                f"the result of {run.id} cannot be read: {error.message}",
                f"configure that key again, or verify the ledgers again: {VERIFY_NOW}",
            )
        if verification is None or verification.finished_at is None:
            continue
        ago = datetime.now(UTC) - verification.finished_at
        if verification.damaged:
            damaged = many(verification.damaged, "damaged place was", "damaged places were")
            places = "; ".join(map(str, verification.places[:SHOWN]))
            return failure(
                f"{span(ago)} ago {damaged} found: {places}",
                "change nothing; find out who could write to the database; restore what `trenova verify --live` names "
                "from a backup",
                stands_alone=True,
            )
        if ago > TOO_OLD:
            return warning(
                f"the last verification of all ledgers finished {span(ago)} ago",
                f"look at the worker's log; to verify now: {VERIFY_NOW}",
            )
        entries = many(verification.entries, "entry", "entries")
        return ok(f"{span(ago)} ago {many(verification.logs, 'ledger', 'ledgers')} with {entries} had no damage")
    return await never_finished_verdict(context)


async def fetch_result(context: CheckContext, run: WorkflowExecution) -> Verification | None:
    """The result of a run; None if it was ended before it had one."""
    handle = context.client.get_workflow_handle_for(VerifyLogsWorkflow.run, run.id, run_id=run.run_id)
    try:
        return await handle.result(follow_runs=False)
    except WorkflowFailureError as failure:
        if isinstance(failure.cause, ApplicationError) and failure.cause.type == LedgerDamaged.failure_type:
            return msgspec.convert(failure.cause.details[0], Verification)
        return None


async def never_finished_verdict(context: CheckContext) -> Verdict:
    info = (await context.client.get_schedule_handle(VERIFY_SCHEDULE).describe()).info
    age = datetime.now(UTC) - info.created_at
    if age < TOO_OLD:
        due = f"; the next run is due at {info.next_action_times[0]:%H:%M} UTC" if info.next_action_times else ""
        return ok(f"no run has finished yet{due}")
    return warning(
        f"no run has finished since the schedule was created {span(age)} ago",
        f"look at the worker's log; to verify now: {VERIFY_NOW}",
    )


async def check_schedules(context: CheckContext) -> Verdict:
    """Whether each exists, as a worker creates it, and is not paused: anyone with access can change them."""
    wanted = all_schedules()
    described = await asyncio.gather(*(describe_schedule(context, name) for name in wanted))
    existing = {name: schedule for name, schedule in zip(wanted, described, strict=True) if schedule is not None}
    if missing := [name for name in wanted if name not in existing]:
        return failure(
            f"missing: {', '.join(missing)}",
            "start a worker: it creates them once it polls, and checks them every ten minutes; `schedule not created` "
            "in its log says why it could not create one",
        )
    if paused := [name for name, schedule in existing.items() if schedule.state.paused]:
        return warning(
            f"paused: {', '.join(paused)}",
            f"temporal schedule toggle --unpause --schedule-id {paused[0]}",
            stands_alone=True,
        )
    if changed := {name: what for name, schedule in existing.items() if (what := differences(schedule, wanted[name]))}:
        names = "; ".join(f"{name} ({', '.join(what)})" for name, what in changed.items())
        return failure(
            f"not as a worker creates them: {names}",
            "find out who can write to the namespace; a worker restores them when it starts, and every ten minutes",
        )
    return ok(f"all {len(existing)} exist, none is paused")


async def describe_schedule(context: CheckContext, name: str) -> Schedule | None:
    """The schedule; None if it does not exist."""
    try:
        return (await context.client.get_schedule_handle(name).describe()).schedule
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def check_reconciliation(context: CheckContext) -> Verdict:
    """Whether workflows of batches closed without storing them, and when closed workflows were last compared."""
    reconciliation = context.store.reconciliation
    state = await reconciliation.findings()
    if state.missing:
        runs = await reconciliation.missing(SHOWN)
        names = "; ".join(f"{run.workflow_id} ({run.ended_as}: {run.reason})" for run in runs)
        batches = many(state.missing, "accepted batch has", "accepted batches have")
        return failure(
            f"{batches} a closed workflow, but cannot be stored: {names}",
            "configure the missing keys again, and run `trenova reconcile`; if the batches are not yours: "
            "docs/outages.md",
            stands_alone=True,
        )
    if state.finished_at is None:
        return warning("no comparison of closed workflows with stored batches has finished yet", COMPARE_NOW)
    ago = datetime.now(UTC) - state.finished_at
    if ago > TOO_LONG_AGO:
        return warning(f"closed workflows were last compared with stored batches {span(ago)} ago", COMPARE_NOW)
    if recovered := await reconciliation.list_recovered(datetime.now(UTC) - RECENTLY, SHOWN):
        names = ", ".join(f"{run.workflow_id} ({run.ended_as})" for run in recovered)
        return warning(
            f"workflows of batches closed without storing them; the batches were stored from the history: {names}",
            "nothing is lost; find out who ends workflows in the namespace: docs/outages.md",
            stands_alone=True,
        )
    return ok(f"{span(ago)} ago no accepted batch was missing")


async def check_parked_entries(context: CheckContext) -> Verdict:
    count, since = await context.store.dead_letters.count_parked()
    if since is None:
        return ok("none")
    return warning(
        f"the database rejected {many(count, 'entry', 'entries')}, the oldest {span(datetime.now(UTC) - since)} ago",
        "`trenova dead-letters list` shows why; then `trenova dead-letters edit` or `replay`: docs/dead-letters.md",
    )


CHECKS = (
    Check("signing key", Kind.LOG, check_signing_key, ("database schema",)),
    Check("schedules", Kind.LOG, check_schedules, ("temporal namespace",)),
    Check("reconciliation", Kind.LOG, check_reconciliation, ("database schema",)),
    Check("verification", Kind.LOG, check_verification, ("encryption keys", "schedules")),
    Check("parked entries", Kind.LOG, check_parked_entries, ("database schema",)),
)
