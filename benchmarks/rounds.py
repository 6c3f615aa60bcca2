"""The main comparison: every contestant once a round, round after round, on one set of servers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.contestants import (
    bare_start,
    copy_limit,
    dbos_queue,
    insert_app,
    ours,
    procrastinate_queue,
    workflow_per_entry,
)
from benchmarks.contestants.ours import Sender
from benchmarks.measurement import Measurement
from benchmarks.servers import Servers, Trenova

BULK, SINGLE, QUARTER = "ours, bulk", "ours, single", "ours, single, ¼ load"
QUIET, FLOODED = "ours, B–F alone", "ours, B–F beside A"
NOTES = {
    BULK: f"requests of 500 entries over 16 connections; {ours.NOTE}",
    SINGLE: f"one entry a request over 64 connections; {ours.NOTE}",
    QUARTER: "one entry a request at a quarter of that round's maximum, paced; times count from when a request was due",
    QUIET: "five tenants send their share, a fifteenth of that round's maximum each, paced; times are theirs",
    FLOODED: "the same while a sixth tenant sends ten shares; times of the five only",
    copy_limit.NAME: copy_limit.NOTE,
    bare_start.NAME: bare_start.NOTE,
    insert_app.NAME: insert_app.NOTE,
    workflow_per_entry.NAME: workflow_per_entry.NOTE,
    dbos_queue.NAME: dbos_queue.NOTE,
    procrastinate_queue.NAME: procrastinate_queue.NOTE,
}
BULK_ENTRIES, BULK_CONNECTIONS = 500, 16  # as the importer sends them
SINGLE_CONNECTIONS = 64
QUARTER_LOAD = 0.25
QUARTER_CONNECTIONS = 64
# Five tenants with one share each and one with ten: together the measured maximum.
OTHERS, FLOOD, SHARES = 5, 10, 15

Contest = Callable[[], Awaitable[Measurement]]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Entries of each run in a round, and seconds of the paced ones."""

    bulk: int = 40_000
    single: int = 6_000
    bare: int = 300
    insert: int = 6_000
    per_entry: int = 200
    dbos: int = 600
    procrastinate: int = 1_000
    paced_s: float = 5

    def with_entries(self, entries: int) -> "Sizes":
        """The same proportions with so many entries in the bulk run and in COPY."""
        share = entries / self.bulk
        return Sizes(
            bulk=max(BULK_ENTRIES, entries // BULK_ENTRIES * BULK_ENTRIES),
            single=max(500, int(self.single * share)),
            bare=max(100, int(self.bare * share)),
            insert=max(500, int(self.insert * share)),
            per_entry=max(50, int(self.per_entry * share)),
            dbos=max(100, int(self.dbos * share)),
            procrastinate=max(200, int(self.procrastinate * share)),
            paced_s=min(15, max(2, self.paced_s * share)),
        )


Round = dict[str, Measurement]


async def one_round(servers: Servers, trenova: Trenova, sizes: Sizes, say: Say) -> Round:
    """Every contestant, in this order. Paced runs take their rate from the single-entry run of their own round."""
    done: Round = {}

    async def enter(name: str, contest: Contest) -> Measurement:
        say(name)
        done[name] = await contest()
        return done[name]

    bulk = Sender(requests=sizes.bulk // BULK_ENTRIES, entries_each=BULK_ENTRIES, connections=BULK_CONNECTIONS)
    await enter(BULK, lambda: ours.run(trenova, BULK, [bulk]))
    await enter(copy_limit.NAME, lambda: copy_limit.run(servers, sizes.bulk))
    single = Sender(requests=sizes.single, connections=SINGLE_CONNECTIONS)
    most = (await enter(SINGLE, lambda: ours.run(trenova, SINGLE, [single]))).entries_per_s
    await enter(insert_app.NAME, lambda: insert_app.run(servers, sizes.insert, SINGLE_CONNECTIONS))
    await enter(bare_start.NAME, lambda: bare_start.run(servers, sizes.bare))
    quarter = paced_sender(most * QUARTER_LOAD, sizes.paced_s, QUARTER_CONNECTIONS)
    await enter(QUARTER, lambda: ours.run(trenova, QUARTER, [quarter]))
    share = most / SHARES
    others = [paced_sender(share, sizes.paced_s, 16) for _ in range(OTHERS)]
    flood = paced_sender(share * FLOOD, sizes.paced_s, SINGLE_CONNECTIONS, watched=False)
    await enter(QUIET, lambda: ours.run(trenova, QUIET, others, histories=0))
    await enter(FLOODED, lambda: ours.run(trenova, FLOODED, [flood, *others], histories=0))
    await enter(workflow_per_entry.NAME, lambda: workflow_per_entry.run(servers, sizes.per_entry))
    await enter(dbos_queue.NAME, lambda: dbos_queue.run(servers, sizes.dbos))
    await enter(procrastinate_queue.NAME, lambda: procrastinate_queue.run(servers, sizes.procrastinate))
    return done


def paced_sender(rate: float, seconds: float, connections: int, *, watched: bool = True) -> Sender:
    return Sender(requests=max(1, int(rate * seconds)), rate=rate, connections=connections, watched=watched)
