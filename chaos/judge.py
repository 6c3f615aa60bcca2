"""The checks after a run, and its outcome."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import psycopg
from temporalio.client import Client

from chaos import entries, inside, recovery
from chaos.conduct import Run, Say
from chaos.load import Load
from chaos.outside import Outside
from chaos.recovery import Recovery, Times
from chaos.tally import Findings, Tally
from trenova.domain.reserved import SYSTEM_TENANT
from trenova.store.verification import processes

CORES = 2
MOST_RECEIPTS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCounts:
    """How much was checked. Counts are of entries, unless the name says otherwise."""

    sent: int
    acknowledged: int
    stored: int
    verified: int
    checkpoints: int
    receipts: int
    findings: Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a run."""

    checked: CheckCounts
    recoveries: Sequence[Recovery]
    waits: Times | None
    """From a request's acknowledgement until it was stored."""
    retries: int
    seconds: float
    deaths: Sequence[str]
    """Parts that exited on their own or were stuck; they were restarted."""
    given_up: int = 0
    """How many of those were stuck."""

    @property
    def holds(self) -> bool:
        """Whether there is no finding. A recovery that took too long is reported, but is not a finding."""
        return not self.checked.findings.counts


async def judge(run: Run, kept: Mapping[str, Sequence[bytes]], seconds: float, say: Say) -> Outcome:
    rig, load = run.rig, run.load
    with processes(CORES) as workers:
        async with await rig.connect() as owner:
            stored_at = await inside.stored_times(owner)
            placed = [
                (entries.place_of(load.job.run, id_), at)
                for id_, at in (await inside.stored_of_requests(owner, load.tenants)).items()
            ]
            checked = await check(
                outside=Outside(rig.direct_url, rig.api_key, Findings()),
                owner=owner,
                client=await rig.temporal.client(),
                database_url=rig.postgres.operator_url,
                workers=workers,
                load=load,
                kept=kept,
                say=say,
            )
    return Outcome(
        checked=checked,
        recoveries=recovery.recoveries(run.injected, sorted(load.memory.acknowledged.values()), stored_at),
        waits=recovery.waits(
            load.memory.acknowledged, {(place.author, place.request): at for place, at in placed if place}
        ),
        retries=load.memory.retries,
        seconds=seconds,
        deaths=rig.deaths,
        given_up=rig.given_up,
    )


async def check(  # noqa: PLR0913 - what is looked at, each from its own side
    *,
    outside: Outside,
    owner: psycopg.AsyncConnection[tuple[object, ...]],
    client: Client,
    database_url: str,
    workers: Executor,
    load: Load,
    kept: Mapping[str, Sequence[bytes]],
    say: Say,
) -> CheckCounts:
    """Run every check. `kept`: by tenant, the checkpoints that were served during the run."""
    findings, tenants, began = outside.findings, load.tenants, time.monotonic()
    tally = Tally(load.job.run, load.authors, load.memory, findings)
    for author, request in load.memory.refused:
        findings.add("refused", f"request {author}/{request}; see the writers' log")
    for tenant in tenants:
        say(f"reading {tenant}")
        async for page in outside.bodies(tenant):
            tally.take(tenant, page)
    tally.judge()
    counts = await inside.count(owner, tenants, findings)
    if sum(counts.values()) != tally.stored:
        findings.add("gap", f"{tally.stored} entries over HTTP, {sum(counts.values())} in the table")
    say("checking checkpoints and receipts")
    # The system's own ledger records the API key of the writers.
    keys = await outside.keys([*tenants, SYSTEM_TENANT])
    good = await outside.checkpoints(kept, keys)
    lines = read_lines(Path(load.job.receipts))
    receipts = await outside.receipts(lines[:: len(lines) // MOST_RECEIPTS + 1], keys)
    say("verifying the trees")
    verified = await inside.logs(database_url, keys, good, workers, findings)
    await inside.letters(owner, findings)
    await inside.ended_badly(client, findings)
    say(f"checked in {time.monotonic() - began:.0f} s")
    return CheckCounts(
        sent=tally.entries_in(load.memory.sent),
        acknowledged=tally.entries_in(load.memory.acknowledged),
        stored=tally.stored,
        verified=verified,
        checkpoints=sum(map(len, good.values())),
        receipts=receipts,
        findings=findings,
    )


def read_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []
