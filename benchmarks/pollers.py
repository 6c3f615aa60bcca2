"""What the worker's settings bring: one worker and the same backlog, with Temporal near or far away.

The backlog is started while no worker runs. Then one real worker starts: seconds go from the first batch seen in
`batches` to the last. Between worker and Temporal is a relay, also where it adds no delay. Each run begins with empty
tables and has a worker of its own, so that memory and processor time are those of its settings. Processor time has that
of its start in it, which is the same for all.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import httpx
from benchmarks.contestants.ours import watching
from benchmarks.entries import texts
from benchmarks.link import far
from benchmarks.measurement import Measurement
from benchmarks.meter import measuring
from benchmarks.report import Spread, format_spread, number, over, spread
from benchmarks.rounds import Round, Say
from benchmarks.servers import Servers
from benchmarks.text_table import format_table
from prometheus_client.parser import text_string_to_metric_families

from trenova.config import LimitSettings
from trenova.dev import programs
from trenova.dev.part import Part
from trenova.dev.ports import LOCALHOST, choose
from trenova.dev.process import running
from trenova.domain import intake
from trenova.domain.entry import SealedEntry
from trenova.ingest.start import parcel_of, start

# The full batches come first, so that all slots hold one at once. Tenants take turns.
FULL, FULL_ENTRIES = 10, 1_000
SMALL, SMALL_ENTRIES = 100, 5
TENANTS = 10
DELAYS_MS = (0, 20, 100)
STARTS_AT_ONCE = 8
LIMIT_S = 600
DEFAULTS = "defaults"
SETTINGS: Mapping[str, Mapping[str, str]] = {
    DEFAULTS: {},
    "5 workflow pollers": {"MAX_CONCURRENT_WORKFLOW_TASK_POLLERS": "5"},
    "10 workflow pollers": {"MAX_CONCURRENT_WORKFLOW_TASK_POLLERS": "10"},
    "20 autoscaled pollers": {"MAX_AUTOSCALED_POLLERS": "20"},
    "resources 0.8, 0.9": {"RESOURCES__TARGET_MEMORY": "0.8", "RESOURCES__TARGET_CPU": "0.9"},
    "4 workflow slots": {"MAX_CONCURRENT_WORKFLOW_TASK_EXECUTION_SIZE": "4"},
    "40 workflow slots": {"MAX_CONCURRENT_WORKFLOW_TASK_EXECUTION_SIZE": "40"},
}
NOTES = {
    "backlog": f"{FULL} batches of {FULL_ENTRIES:,} entries, {SMALL} of {SMALL_ENTRIES}; {TENANTS} tenants in turn",
    "delay": "milliseconds that everything between worker and Temporal takes, each way",
    "ratio": "to the defaults at the same delay in the same round; below 1 is faster, or less",
    "pollers": "of new workflow tasks and of the worker's own sticky queue, when the last batch was stored",
}

Backlog = Sequence[Sequence[SealedEntry]]


async def by_settings(servers: Servers, rounds: int, say: Say) -> list[Round]:
    backlog = sealed_backlog()
    measured: list[Round] = [{} for _ in range(rounds)]
    say("warming up")
    await run(servers, DEFAULTS, 0, backlog)
    for turn, each in enumerate(measured):
        order = list(SETTINGS)
        begin = turn % len(order)
        for delay_ms in DELAYS_MS:
            for settings in order[begin:] + order[:begin]:
                name = at(delay_ms, settings)
                say(f"round {turn + 1}: {name}")
                each[name] = await run(servers, settings, delay_ms, backlog)
    return measured


def at(delay_ms: int, settings: str) -> str:
    return f"{delay_ms} ms: {settings}"


def sealed_backlog() -> Backlog:
    backlog = []
    for batch in range(FULL + SMALL):
        context = intake.RequestContext(received_at=datetime.now(UTC), tenant=f"t-{batch % TENANTS}")
        raws = list(texts(FULL_ENTRIES if batch < FULL else SMALL_ENTRIES))
        backlog.append([sealed for _, sealed in intake.check(raws, context, LimitSettings()).sealed])
    return backlog


async def run(servers: Servers, settings: str, delay_ms: int, backlog: Backlog) -> Measurement:
    await servers.empty_log()
    await start_all(servers, backlog)
    entries = sum(map(len, backlog))
    async with (
        far(servers.temporal.port, delay_ms / 1000) as port,
        watching(servers.postgres.owner_url, entries) as watcher,
    ):
        health_port = choose()
        async with running(worker(servers, SETTINGS[settings], port, health_port)) as process:
            async with measuring({"worker": process.pid, **servers.pids}) as meter:
                await watcher.wait_until_stored(LIMIT_S)
            counted = await sdk_counts(health_port)
    return Measurement(
        contestant=at(delay_ms, settings),
        entries=entries,
        seconds=max(watcher.at.values()) - min(watcher.at.values()),
        cpu_s=meter.cpu_s,
        peak_mib=meter.peak_mib,
        sdk=counted,
    )


async def start_all(servers: Servers, backlog: Backlog) -> None:
    """Start the batches as the API does: encoded once, with the tenant as fairness key."""
    for begin in range(0, len(backlog), STARTS_AT_ONCE):
        parcels = [await parcel_of(servers.client, entries) for entries in backlog[begin : begin + STARTS_AT_ONCE]]
        await asyncio.gather(*(start(servers.client, parcel) for parcel in parcels))


def worker(servers: Servers, settings: Mapping[str, str], port: int, health_port: int) -> Part:
    part = programs.worker_part(servers.postgres.folder, servers.postgres, servers.temporal, health_port)
    env = {
        **part.env,
        "TRENOVA_TEMPORAL__HOST_PORT": f"{LOCALHOST}:{port}",
        **{f"TRENOVA_WORKER__{name}": value for name, value in settings.items()},
    }
    return replace(part, env=env, folder=servers.folder, is_ready=at_once)


async def at_once(_pid: int) -> bool:
    return True


async def sdk_counts(health_port: int) -> dict[str, float]:
    """The worker's calls to Temporal by name, including failed ones, and its pollers by kind."""
    async with httpx.AsyncClient(trust_env=False) as http:
        page = (await http.get(f"http://{LOCALHOST}:{health_port}/metrics")).text
    labels = {
        "temporal_request_total": "operation",
        "temporal_long_request_total": "operation",
        "temporal_num_pollers": "poller_type",
    }
    counts: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if label := labels.get(sample.name):
                name = sample.labels[label]
                counts[name] = counts.get(name, 0) + sample.value
    return counts


def tables(rounds: Sequence[Round]) -> str:
    """Two tables for each distance of Temporal: times and ratios, then memory and polls."""
    return "\n".join(
        part for delay_ms in DELAYS_MS for part in (speed_table(rounds, delay_ms), poll_table(rounds, delay_ms))
    )


def speed_table(rounds: Sequence[Round], delay_ms: int) -> str:
    rows = [
        (
            settings,
            format_spread(over(rounds, at(delay_ms, settings), seconds)),
            format_spread(ratio(rounds, delay_ms, settings, seconds)),
            format_spread(ratio(rounds, delay_ms, settings, worker_cpu_s)),
        )
        for settings in SETTINGS
    ]
    title = f"Temporal {delay_ms} ms away: median of {len(rounds)} rounds (lowest–highest)"
    return format_table(title, ("", "seconds", "ratio", "CPU ratio"), rows)


def poll_table(rounds: Sequence[Round], delay_ms: int) -> str:
    rows = []
    for settings in SETTINGS:
        name = at(delay_ms, settings)
        pollers = [
            over(rounds, name, lambda measured, kind=kind: measured.sdk.get(kind))  # type: ignore[misc]
            for kind in ("workflow_task", "sticky_workflow_task")
        ]
        rows.append(
            (
                settings,
                format_spread(over(rounds, name, lambda measured: measured.peak_mib["worker"])),
                format_spread(over(rounds, name, lambda measured: measured.sdk.get("PollWorkflowTaskQueue"))),
                " + ".join(number(each.median) if each else "" for each in pollers),
            )
        )
    return format_table(f"Temporal {delay_ms} ms away", ("", "peak MiB", "polls", "pollers"), rows)


def ratio(
    rounds: Sequence[Round], delay_ms: int, settings: str, value: Callable[[Measurement], float]
) -> Spread | None:
    return spread(value(each[at(delay_ms, settings)]) / value(each[at(delay_ms, DEFAULTS)]) for each in rounds)


def seconds(measured: Measurement) -> float:
    return measured.seconds


def worker_cpu_s(measured: Measurement) -> float:
    return measured.cpu_s["worker"]
