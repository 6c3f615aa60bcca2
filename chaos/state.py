"""The state of every part at this moment, for the report of a run that timed out."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import suppress

import httpx
import psutil

from chaos.rig import START_ORDER, Rig
from trenova.dev import ports, process_state
from trenova.dev.process import last_lines
from trenova.errors import PartFailed

ANSWER_LIMIT_S = 10
LAST_LINES = 5
MOST_PROCESSES = 20


async def error_with_state(rig: Rig, message: str) -> PartFailed:
    """The error to raise, with the state of all parts as its notes."""
    error = PartFailed(message, hint="the state of every part is above; the logs are in the folder of the run")
    for line in await describe_parts(rig):
        error.add_note(line)
    return error


async def describe_parts(rig: Rig) -> list[str]:
    """For each part its processes, what it answers, and the end of its log; then what died before."""
    answers = await ask_parts(rig)
    lines: list[str] = []
    for name in START_ORDER:
        lines.append(f"{name}: {answers[name]}")
        lines += [f"  {line}" for line in processes(rig, name)]
        if name in rig.processes:
            lines += [f"  | {line}" for line in last_lines(rig.processes[name].part.log, LAST_LINES)]
    return [*lines, *(f"before: {death}" for death in rig.deaths[-LAST_LINES:])]


async def ask_parts(rig: Rig) -> Mapping[str, str]:
    asked: dict[str, Awaitable[str]] = {
        "postgres": database(rig),
        "temporal": temporal(rig),
        "api": page(f"{rig.direct_url}/readyz"),
        "worker": page(f"http://{ports.LOCALHOST}:{rig.health_port}/readyz"),
    }
    return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))


async def database(rig: Rig) -> str:
    said = await rig.postgres.connection_problem()
    return "accepts connections" if said is None else f"accepts no connection: {said}"


async def temporal(rig: Rig) -> str:
    return "answers" if await rig.temporal.answers() else "does not answer"


async def page(url: str) -> str:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_LIMIT_S, verify=False) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        return f"does not answer ({type(error).__name__})"
    return f"{answer.status_code} {answer.text.strip()}"


def processes(rig: Rig, name: str) -> Iterator[str]:
    """A line for each process, zombies too: a zombie that its parent does not reap is a likely cause."""
    found = rig.pids(name)
    for process in found[:MOST_PROCESSES]:
        with suppress(psutil.Error):
            vital = process_state.read_state(process)
            yield f"{vital.pid} {vital.status}, {vital.cpu_s:.2f} s of processor time: {vital.title[:80]}"
    if len(found) > MOST_PROCESSES:
        yield f"and {len(found) - MOST_PROCESSES} more"
    if not found:
        yield "no process"
