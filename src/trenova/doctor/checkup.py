"""Asking all checks at once, each for a bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx
from temporalio.service import RPCError

from trenova.doctor import causes
from trenova.doctor.context import LOGIN, CheckContext
from trenova.doctor.finding import Finding, Kind, State, Verdict, failed, unchecked
from trenova.errors import InvalidConfiguration, TrenovaError
from trenova.runtime.connection.own_time import sleep_own_time
from trenova.runtime.installation.settings import naming

# For all that may meet a part that is frozen, those that wait for others included, so that the whole ends within some
# ten seconds. What is asked of a part that has answered before may take as long as a machine under load needs.
SHARED_LIMIT_S, OWN_LIMIT_S = 7.0, 30.0
CANCEL_LIMIT_S = 1.0
TIMEOUT_HINTS = {
    Kind.TEMPORAL: "look for a firewall or a route that swallows packets to temporal.hostPort, or a server under load",
    Kind.DATABASE: "look at its machine and its disk for what hangs, for a firewall that swallows packets, and at "
    "pg_stat_activity for who holds the locks",
    Kind.API: "look at the API's log (`make logs`), at the load of its machine, and whether its process is stopped",
}
PART_NAMES = {Kind.TEMPORAL: "Temporal has", Kind.DATABASE: "the database has", Kind.API: "the API has"}
SEE_LOGS = "the log of the part says more: `make logs`"


@dataclass(frozen=True, slots=True)
class Check:
    """A question. It is asked when every check of `needs` is ok or a warning."""

    name: str
    kind: Kind
    ask: Callable[[CheckContext], Awaitable[Verdict]]
    needs: tuple[str, ...] = ()
    own_limit_s: float | None = OWN_LIMIT_S
    """From when it is asked. None for one that may meet a part that is frozen: all of these share LIMIT_S."""


async def run_checks(checks: Sequence[Check], context: CheckContext) -> list[Finding]:
    """Ask them all, those first that others need; the findings are ranked, in the order of the checks."""
    by_name = {check.name: check for check in checks}
    asked: dict[str, asyncio.Task[Finding]] = {}
    async with asyncio.TaskGroup() as group:
        end = group.create_task(sleep_own_time(SHARED_LIMIT_S))

        def ask(name: str) -> asyncio.Task[Finding]:
            if name not in asked:
                needed = [ask(other) for other in by_name[name].needs]
                asked[name] = group.create_task(run_check(by_name[name], needed, context, end))
            return asked[name]

        await asyncio.gather(*map(ask, by_name))
        end.cancel()
    return causes.rank_findings([asked[name].result() for name in by_name])


async def run_check(
    check: Check, needed: Sequence[asyncio.Task[Finding]], context: CheckContext, end: asyncio.Task[None]
) -> Finding:
    for finding in await asyncio.gather(*needed):
        if finding.stops_others:
            return finding_of(check, unchecked(blocking_cause(finding)))
    asking = asyncio.ensure_future(check.ask(context))
    own = asyncio.ensure_future(sleep_own_time(check.own_limit_s)) if check.own_limit_s else None
    try:
        await asyncio.wait({asking, own or end}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            return finding_of(check, timeout_verdict(check))
        with naming(LOGIN, context.settings):
            return finding_of(check, asking.result())
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide what the others find
        return finding_of(check, failed(*explain_error(error)))
    finally:
        asking.cancel()
        await asyncio.wait({asking}, timeout=CANCEL_LIMIT_S)
        if own:
            own.cancel()


def timeout_verdict(check: Check) -> Verdict:
    limit_s = check.own_limit_s or SHARED_LIMIT_S
    return failed(
        f"{PART_NAMES.get(check.kind, 'this has')} not answered within {limit_s:g} s",
        TIMEOUT_HINTS.get(check.kind, SEE_LOGS),
    )


def explain_error(error: Exception) -> tuple[str, str]:
    """Cause and next step. Of an error that nobody foresaw only the type: its words may quote anything."""
    match error:
        case InvalidConfiguration():
            return "; ".join(error.problems), error.hint or SEE_LOGS
        case TrenovaError():
            return error.message, error.hint or SEE_LOGS
        case RPCError():
            return f"Temporal answers {error.status.name}: {error.message}", SEE_LOGS
        case TimeoutError():
            return "no answer in time", SEE_LOGS
        case httpx.TransportError():
            return f"the API has not answered: {type(error).__name__}", TIMEOUT_HINTS[Kind.API]
        case _:
            return f"the check itself broke: {type(error).__name__}", "report it as a bug of Trenova"


def blocking_cause(finding: Finding) -> str:
    """The first cause: of a chain of checks that were not asked, the one that failed."""
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
    """The findings where the settings themselves are wrong, which is what the first check is about."""
    first, *others = checks
    wrong = finding_of(
        first, failed("; ".join(error.problems), error.hint or "docs/configuration.md lists every setting")
    )
    return [wrong, *(finding_of(check, unchecked(blocking_cause(wrong))) for check in others)]
