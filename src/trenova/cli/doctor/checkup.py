"""Asking all checks at once, each for a bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx
from temporalio.service import RPCError

from trenova.cli.doctor.finding import Finding, Kind, State, Verdict, failed, unchecked
from trenova.cli.doctor.scene import TIMEOUT_S, Scene
from trenova.errors import InvalidConfiguration, TrenovaError

LATE = {
    Kind.TEMPORAL: "look for a firewall or a route that swallows packets to temporal.hostPort, or a server under load",
    Kind.DATABASE: "look for a firewall that swallows packets, and at pg_stat_activity for who holds the locks",
    Kind.API: "look at the API's log (`make logs`) and at the load of its machine",
}
NO_HINT = "the log of the part says more: `make logs`"


@dataclass(frozen=True, slots=True)
class Check:
    """A question. It is asked when every check of `needs` is ok or a warning."""

    name: str
    kind: Kind
    ask: Callable[[Scene], Awaitable[Verdict]]
    needs: tuple[str, ...] = ()
    limit_s: float = TIMEOUT_S


async def examine(checks: Sequence[Check], scene: Scene, tell: Callable[[Finding], object]) -> list[Finding]:
    """Ask them all, those first that others need; `tell` hears each finding in the order of the checks."""
    asked: dict[str, asyncio.Task[Finding]] = {}
    async with asyncio.TaskGroup() as group:
        for check in checks:
            needed = [asked[name] for name in check.needs]
            asked[check.name] = group.create_task(answer(check, needed, scene))
        for task in asked.values():
            tell(await task)
    return [task.result() for task in asked.values()]


async def answer(check: Check, needed: Sequence[asyncio.Task[Finding]], scene: Scene) -> Finding:
    for finding in await asyncio.gather(*needed):
        if finding.stops_others:
            return named(check, unchecked(because(finding)))
    try:
        async with asyncio.timeout(check.limit_s):
            return named(check, await check.ask(scene))
    except TimeoutError:
        return named(check, failed(f"no answer within {check.limit_s:g} s", LATE.get(check.kind, NO_HINT)))
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide what the others find
        return named(check, failed(*told(error)))


def told(error: Exception) -> tuple[str, str]:
    """Cause and next step. Of an error that nobody foresaw only the type: its words may quote anything."""
    match error:
        case InvalidConfiguration():
            return "; ".join(error.problems), error.hint or NO_HINT
        case TrenovaError():
            return error.message, error.hint or NO_HINT
        case RPCError():
            return f"Temporal answers {error.status.name}: {error.message}", NO_HINT
        case httpx.TransportError():
            return f"the API has not answered: {type(error).__name__}", LATE[Kind.API]
        case _:
            return f"the check itself broke: {type(error).__name__}", "report it as a bug of Trenova"


def because(finding: Finding) -> str:
    """The first cause: of a chain of checks that were not asked, the one that failed."""
    return finding.cause if finding.state is State.UNCHECKED else f"`{finding.check}` failed"


def named(check: Check, verdict: Verdict) -> Finding:
    return Finding(
        check=check.name,
        kind=check.kind,
        state=verdict.state,
        cause=verdict.cause,
        next_step=verdict.next_step,
    )


def none_asked(checks: Sequence[Check], error: InvalidConfiguration) -> list[Finding]:
    """The findings where the settings themselves are wrong, which is what the first check is about."""
    first, *others = checks
    wrong = named(first, failed("; ".join(error.problems), error.hint or "docs/configuration.md lists every setting"))
    return [wrong, *(named(check, unchecked(because(wrong))) for check in others)]
