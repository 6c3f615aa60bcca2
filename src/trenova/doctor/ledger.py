"""The logs: their signing key, their nightly verification, what Temporal does by the clock, and parked entries."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
from temporalio.client import Schedule, WorkflowExecution, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failed, ok, warning
from trenova.doctor.phrases import many, span
from trenova.domain.verification import Verification
from trenova.errors import PayloadError
from trenova.keys.signing import HINT, VARIABLE, load_signer
from trenova.store.checkpoints import Checkpoints
from trenova.worker.schedules import all_schedules, differences
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

# Of comparisons every five minutes, each of which may take some itself.
TOO_LONG_AGO, RECENTLY = timedelta(minutes=30), timedelta(days=1)
# The check is nightly, and may itself take hours.
TOO_OLD = timedelta(days=2)
SHOWN = 3
VERIFY_NOW = f"temporal schedule trigger --schedule-id {VERIFY_SCHEDULE}"
COMPARE_NOW = (
    "see that a worker runs and that nobody else polls its queue (`schedules`, `workers`); `trenova reconcile`"
)
RUNS = f"TemporalScheduledById = '{VERIFY_SCHEDULE}' AND ExecutionStatus != 'Running'"


async def check_signing_key(context: CheckContext) -> Verdict:
    """Whether there is one, and whether the newest checkpoints are signed with it."""
    given = context.settings.ledger.signing_key_file is not None or context.options.environ.get(VARIABLE)
    if not given:
        return warning(f"no signing key here ({VARIABLE} or ledger.signingKeyFile): no worker starts without one", HINT)
    signer = load_signer(context.settings, context.options.environ)
    found = await Checkpoints(context.store.pool, signer).unsigned()
    if found.tenants:
        some = ", ".join(found.tenants[:SHOWN])
        return failed(
            f"of {many(found.logs, 'log', 'logs')} looked at {len(found.tenants)} have a newest checkpoint without a "
            f"signature of this key: {some}",
            "see that key and ledger.origin are those of the workers; after a change of keys start the workers again, "
            "which sign anew",
        )
    checkpoints = many(found.logs, "newest checkpoint has", "newest checkpoints have")
    return ok(f"is that of {context.settings.ledger.origin}; {checkpoints} its signature")


async def check_verification(context: CheckContext) -> Verdict:
    """What the last nightly check that came to an end has found, and when."""
    async for run in context.client.list_workflows(RUNS, limit=SHOWN):
        try:
            found = await fetch_result(context, run)
        except PayloadError as error:
            return warning(
                f"the result of {run.id} cannot be read: {error.message}",
                f"give that key back, or have the logs checked once more: {VERIFY_NOW}",
            )
        if found is None or found.finished_at is None:
            continue
        ago = datetime.now(UTC) - found.finished_at
        if found.damaged:
            places = "; ".join(map(str, found.places[:SHOWN]))
            return failed(
                f"{span(ago)} ago {many(found.damaged, 'damaged place was', 'damaged places were')} found: {places}",
                "change nothing; find out who could write to the database; restore what `trenova verify --live` names "
                "from a backup",
                stands_alone=True,
            )
        if ago > TOO_OLD:
            return warning(f"the last of all logs ended {span(ago)} ago", f"look at the worker's log; {VERIFY_NOW}")
        return ok(f"{span(ago)} ago all {found.logs:,} logs with {found.entries:,} entries were sound")
    return await never_finished_verdict(context)


async def fetch_result(context: CheckContext, run: WorkflowExecution) -> Verification | None:
    """The result of a run; None of one that was ended before it had any."""
    handle = context.client.get_workflow_handle_for(VerifyLogsWorkflow.run, run.id, run_id=run.run_id)
    try:
        return await handle.result(follow_runs=False)
    except WorkflowFailureError as failure:
        if isinstance(failure.cause, ApplicationError) and failure.cause.type == "LedgerDamaged":
            return msgspec.convert(failure.cause.details[0], Verification)
        return None


async def never_finished_verdict(context: CheckContext) -> Verdict:
    made = (await context.client.get_schedule_handle(VERIFY_SCHEDULE).describe()).info.created_at
    since = datetime.now(UTC) - made
    if since < TOO_OLD:
        return ok(f"none has ended yet; it is due every night, since {span(since)}")
    return warning(f"none has come to an end in {span(since)}", f"look at the worker's log; {VERIFY_NOW}")


async def check_schedules(context: CheckContext) -> Verdict:
    """Whether each is there, as this program makes it, and not paused: whoever has access can change them."""
    wanted = all_schedules()
    found = dict(zip(wanted, await asyncio.gather(*(describe_schedule(context, name) for name in wanted)), strict=True))
    if missing := [name for name, schedule in found.items() if schedule is None]:
        return failed(
            f"no schedule {', '.join(missing)}",
            "start a worker: it makes them once it polls, and looks again every ten minutes; `schedule not made` in "
            "its log says why one is refused",
        )
    there = {name: schedule for name, schedule in found.items() if schedule is not None}
    if held := [name for name, schedule in there.items() if schedule.state.paused]:
        return warning(
            f"paused: {', '.join(held)}",
            f"temporal schedule toggle --unpause --schedule-id {held[0]}",
            stands_alone=True,
        )
    if changed := {name: what for name, schedule in there.items() if (what := differences(schedule, wanted[name]))}:
        named = "; ".join(f"{name} ({', '.join(what)})" for name, what in changed.items())
        return failed(
            f"not as a worker makes them: {named}",
            "find out who can write to the namespace; a worker puts them right when it starts, and every ten minutes",
        )
    return ok(f"{len(found)} there, none paused")


async def describe_schedule(context: CheckContext, name: str) -> Schedule | None:
    """The schedule; None when there is none."""
    try:
        return (await context.client.get_schedule_handle(name).describe()).schedule
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def check_reconciliation(context: CheckContext) -> Verdict:
    """Whether batches ended in Temporal without being stored, and whether anybody looked lately."""
    found = context.store.reconciliation
    state = await found.findings()
    if state.missing:
        named = "; ".join(f"{run.workflow_id} ({run.ended_as}: {run.reason})" for run in await found.missing(SHOWN))
        return failed(
            f"{many(state.missing, 'accepted batch is', 'accepted batches are')} over in Temporal and cannot be stored"
            f": {named}",
            "give the keys that are named here back and `trenova reconcile`; what is none of yours: docs/outages.md",
            stands_alone=True,
        )
    if state.finished_at is None:
        return warning("no comparison of closed workflows has ended yet", COMPARE_NOW)
    ago = datetime.now(UTC) - state.finished_at
    if ago > TOO_LONG_AGO:
        return warning(f"closed workflows were compared {span(ago)} ago for the last time", COMPARE_NOW)
    if recovered := await found.list_recovered(datetime.now(UTC) - RECENTLY, SHOWN):
        named = ", ".join(f"{run.workflow_id} ({run.ended_as})" for run in recovered)
        return warning(
            f"batches were over in Temporal without being stored, and were stored from its history: {named}",
            "nothing is lost; find out who ends workflows in the namespace: docs/outages.md",
            stands_alone=True,
        )
    return ok(f"{span(ago)} ago no accepted batch was missing")


async def check_parked_entries(context: CheckContext) -> Verdict:
    count, since = await context.store.dead_letters.parked()
    if since is None:
        return ok("none")
    return warning(
        f"the database refuses {many(count, 'entry', 'entries')}, the oldest since {span(datetime.now(UTC) - since)}",
        "`trenova dead-letters list` says why; then `trenova dead-letters edit` or `replay`: docs/dead-letters.md",
    )


CHECKS = (
    Check("signing key", Kind.LOG, check_signing_key, ("database schema",)),
    Check("schedules", Kind.LOG, check_schedules, ("temporal namespace",)),
    Check("reconciliation", Kind.LOG, check_reconciliation, ("database schema",)),
    Check("verification", Kind.LOG, check_verification, ("encryption keys", "schedules")),
    Check("parked entries", Kind.LOG, check_parked_entries, ("database schema",)),
)
