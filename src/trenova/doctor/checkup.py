"""Runs all checks concurrently, each for a bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx
from temporalio.service import RPCError

from trenova.doctor import causes
from trenova.doctor.context import LOGIN, CheckContext
from trenova.doctor.finding import Finding, Kind, State, Verdict, failure, not_checked
from trenova.errors import InvalidConfiguration, TrenovaError
from trenova.runtime.connection.own_time import sleep_own_time
from trenova.runtime.installation.settings import name_database_setting

# All checks that may meet a frozen part share one limit, with those that wait for them, so that a run ends within about
# ten seconds. A check of a part that has answered before has its own, longer limit, for a machine under load.
SHARED_LIMIT_S, OWN_LIMIT_S = 7.0, 30.0
CANCEL_LIMIT_S = 1.0
TIMEOUT_HINTS = {
    Kind.TEMPORAL: "look for a firewall that drops packets to temporal.hostPort, or an overloaded server",
    Kind.DATABASE: "check whether its machine or its disk hangs, whether a firewall drops packets, and which session "
    "holds locks (pg_stat_activity)",
    Kind.API: "check the API's log (`make logs`), the load of its machine, and whether its process is stopped",
}
PART_NAMES = {Kind.TEMPORAL: "Temporal has", Kind.DATABASE: "the database has", Kind.API: "the API has"}
SEE_LOGS = "look at the log of that part: `make logs`"


@dataclass(frozen=True, slots=True)
class Check:
    """A question about the installation. It is asked if every check in `needs` is ok or a warning."""

    name: str
    kind: Kind
    ask: Callable[[CheckContext], Awaitable[Verdict]]
    needs: tuple[str, ...] = ()
    own_limit_s: float | None = OWN_LIMIT_S
    """Seconds from its start. None for a check that may meet a frozen part: all of these share SHARED_LIMIT_S."""


async def run_checks(checks: Sequence[Check], context: CheckContext) -> list[Finding]:
    """Run all checks, each after those that it needs; returns ranked findings, in the order of the checks."""
    by_name = {check.name: check for check in checks}
    started: dict[str, asyncio.Task[Finding]] = {}
    async with asyncio.TaskGroup() as group:
        end = group.create_task(sleep_own_time(SHARED_LIMIT_S))

        def start(name: str) -> asyncio.Task[Finding]:
            if name not in started:
                needed = [start(other) for other in by_name[name].needs]
                started[name] = group.create_task(run_check(by_name[name], needed, context, end))
            return started[name]

        await asyncio.gather(*map(start, by_name))
        end.cancel()
    return causes.rank_findings([started[name].result() for name in by_name])


async def run_check(
    check: Check, needed: Sequence[asyncio.Task[Finding]], context: CheckContext, end: asyncio.Task[None]
) -> Finding:
    for finding in await asyncio.gather(*needed):
        if finding.stops_others:
            return finding_of(check, not_checked(blocking_cause(finding)))
    asking = asyncio.ensure_future(check.ask(context))
    own = asyncio.ensure_future(sleep_own_time(check.own_limit_s)) if check.own_limit_s else None
    try:
        await asyncio.wait({asking, own or end}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            return finding_of(check, timeout_verdict(check))
        with name_database_setting(LOGIN, context.settings):
            return finding_of(check, asking.result())
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide the findings of the others
        return finding_of(check, failure(*explain_error(error)))
    finally:
        asking.cancel()
        await asyncio.wait({asking}, timeout=CANCEL_LIMIT_S)
        if own:
            own.cancel()


def timeout_verdict(check: Check) -> Verdict:
    limit_s = check.own_limit_s or SHARED_LIMIT_S
    return failure(
        f"{PART_NAMES.get(check.kind, 'this check has')} not answered within {limit_s:g} s",
        TIMEOUT_HINTS.get(check.kind, SEE_LOGS),
    )


def explain_error(error: Exception) -> tuple[str, str]:
    """Cause and next step. An unexpected error is named by its type only, as its message may quote anything."""
    match error:
        case InvalidConfiguration():
            return "; ".join(error.problems), error.hint or SEE_LOGS
        case TrenovaError():
            return error.message, error.hint or SEE_LOGS
        case RPCError():
            return f"Temporal answered {error.status.name}: {error.message}", SEE_LOGS
        case TimeoutError():
            return "no answer in time", SEE_LOGS
        case httpx.TransportError():
            # Only the type: httpx quotes an invalid header, which may be the API key.
            return f"a request to the API failed: {type(error).__name__}", TIMEOUT_HINTS[Kind.API]
        case _:
            return f"the check itself failed: {type(error).__name__}", "report this as a bug of Trenova"


def blocking_cause(finding: Finding) -> str:
    """Why a check that needs this one is skipped: at the end of a chain of skipped checks, the one that failed."""
    return finding.cause if finding.state is State.UNCHECKED else f"`{finding.check}` failed"


def finding_of(check: Check, verdict: Verdict) -> Finding:
    return Finding(
        check=check.name,
        kind=check.kind,
        state=verdict.state,
        cause=verdict.cause,
        next_step=verdict.next_step,
        blames=verdict.blames,
        stands_alone=verdict.stands_alone,
    )


def findings_without_settings(checks: Sequence[Check], error: InvalidConfiguration) -> list[Finding]:
    """The findings for invalid settings: the first check, which is about them, fails, and all others are skipped."""
    first, *others = checks
    hint = error.hint or "docs/configuration.md lists every setting"
    invalid = finding_of(first, failure("; ".join(error.problems), hint))
    return [invalid, *(finding_of(check, not_checked(blocking_cause(invalid))) for check in others)]
