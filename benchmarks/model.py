"""What a load needs: cores, Temporal actions and their price, bytes stored and sent, computed from measurements.

    python -m benchmarks.model

prints the tables of docs/scaling.md. A test compares the measured numbers here with docs/performance.md, what the model
says of the measuring machine with what was measured there, and the tables with the page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

DAY_S, HOUR_S = 86_400, 3_600
DAYS_A_YEAR, DAYS_A_MONTH = 365, 30
THOUSAND, MILLION, GIGA, TERA = 10**3, 10**6, 10**9, 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How entries arrive, and what a thousand of them cost at full load: processor seconds of each part, workflows."""

    name: str
    entries_a_request: int
    cpu_s: Mapping[str, float]
    workflows: float


# From docs/performance.md: medians of five rounds of CloudTrail entries on two cores, all parts on one machine.
BULK = Shape(
    name="500 a request",
    entries_a_request=500,
    cpu_s=MappingProxyType({"API": 0.09, "worker": 0.07, "Temporal": 0.06, "PostgreSQL": 0.08}),
    workflows=1.75 / 2,
)
SINGLE = Shape(
    name="one a request",
    entries_a_request=1,
    cpu_s=MappingProxyType({"API": 0.76, "worker": 0.52, "Temporal": 0.98, "PostgreSQL": 0.25}),
    workflows=1000 / 33,
)
ACTIONS = 2  # of a workflow, when all goes well: decision 9
# The most workflows that one API process started in a second, with batches that were not full.
STARTS_S = 19
# How busy Trenova kept two saturated cores; the rest is the load generator and waiting.
BUSY = 0.82
ENTRY_BYTES = 1_800  # as it is sent
STORED_BYTES = 2_510  # of an entry with indexes and tree: decision 10
LOG_BYTES = 2_800  # of PostgreSQL's write-ahead log, in batches of a thousand; 3,000 in batches of 33, 7,800 alone
# Bytes in Temporal for a workflow, and for a thousand compressed and encrypted entries, from the same five rounds.
WORKFLOW_BYTES, THOUSAND_ENTRIES_BYTES = 2_300, 214_000
# An append to one tenant's ledger: decision 10, 8.8 ms for ten entries and 126 ms for a thousand.
APPEND_S, APPEND_ENTRY_S = 0.0076, 0.000118
MAX_BATCH_ENTRIES = 2_000

# Assumptions: change them for your installation.
PEAK = 3  # the busiest minutes against the mean
LOADED = 0.6  # how busy a core may be at the peak
LEAST_PROCESSES = 2  # of the API, so that one can be lost
HISTORY_DAYS = 7  # the namespace's retention
# Temporal Cloud's list prices of a month, in dollars, as its documentation had them in November 2026: up to so many
# million actions, each million. The last price goes on here beyond 200 million, where it is a matter of agreement.
ACTION_PRICES = ((5, 50), (10, 45), (20, 40), (50, 35), (100, 30), (200, 25))
RETAINED_GB_HOUR = 0.00105


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a number of entries a day needs. Cores and actions a second are those at the peak."""

    entries_a_day: int
    cores: Mapping[str, float]
    peak_s: float
    actions_s: float
    actions_a_month: float
    action_dollars: float
    history_gb: float
    stored_tb_a_year: float
    received_mbit_s: float
    log_mbit_s: float

    @property
    def dollars_a_million(self) -> float:
        """Of Temporal Cloud: actions, and histories for as long as they are kept. Not its plan's minimum."""
        history = self.history_gb * DAYS_A_MONTH * 24 * RETAINED_GB_HOUR
        return (self.action_dollars + history) / (self.entries_a_day * DAYS_A_MONTH / MILLION)


def need(entries_a_day: int, shape: Shape) -> Need:
    mean, peak = entries_a_day / DAY_S, entries_a_day / DAY_S * PEAK
    processes = max(LEAST_PROCESSES, ceil(peak * shape.cpu_s["API"] / THOUSAND / LOADED))
    workflows, at_peak = workflows_s(mean, shape, processes), workflows_s(peak, shape, processes)
    each_thousand = cpu_s(shape, at_peak / peak * THOUSAND)
    actions_a_month = workflows * ACTIONS * DAY_S * DAYS_A_MONTH
    kept = (workflows * WORKFLOW_BYTES + mean / THOUSAND * THOUSAND_ENTRIES_BYTES) * DAY_S * HISTORY_DAYS
    return Need(
        entries_a_day=entries_a_day,
        peak_s=peak,
        cores={part: peak * seconds / THOUSAND / LOADED for part, seconds in each_thousand.items()},
        actions_s=at_peak * ACTIONS,
        actions_a_month=actions_a_month,
        action_dollars=price_of(actions_a_month / MILLION),
        history_gb=kept / GIGA,
        stored_tb_a_year=entries_a_day * DAYS_A_YEAR * STORED_BYTES / TERA,
        received_mbit_s=peak * ENTRY_BYTES * 8 / MILLION,
        log_mbit_s=peak * LOG_BYTES * 8 / MILLION,
    )


def workflows_s(entries_s: float, shape: Shape, processes: int) -> float:
    """One for each request, until the API's processes cannot start more: from then on batches grow, until full."""
    return max(min(entries_s / shape.entries_a_request, processes * STARTS_S), entries_s / MAX_BATCH_ENTRIES)


def cpu_s(shape: Shape, workflows: float) -> dict[str, float]:
    """Processor seconds of a thousand entries in so many workflows.

    More workflows than at full load cost each what one of few entries costs: nearly all that single entries cost.
    """
    more = max(0.0, workflows - shape.workflows)
    return {part: seconds + more * SINGLE.cpu_s[part] / SINGLE.workflows for part, seconds in shape.cpu_s.items()}


def price_of(million_actions: float) -> float:
    """Dollars a month: each tier's price for the actions within it."""
    dollars, below = 0.0, 0.0
    for upto, price in ACTION_PRICES:
        dollars += max(0.0, min(million_actions, upto) - below) * price
        below = upto
    return dollars + max(0.0, million_actions - below) * ACTION_PRICES[-1][1]


def entries_s(cores: int, shape: Shape) -> float:
    """Entries a second that this many cores can store if all parts share them."""
    return cores * BUSY * THOUSAND / sum(shape.cpu_s.values())


def tenant_entries_s(batch: int) -> float:
    """Entries a second that one tenant's ledger can take: its batches are appended one after the other."""
    return batch / (APPEND_S + APPEND_ENTRY_S * batch)


SIZES = (MILLION, 10 * MILLION, 100 * MILLION, 1000 * MILLION)
BATCHES = (1, 10, 100, 1000, MAX_BATCH_ENTRIES)


def tables() -> Iterator[str]:
    """The tables of docs/scaling.md, each as its lines."""
    for shape in (BULK, SINGLE):
        yield "\n".join(loads([need(size, shape) for size in SIZES], shape))
    yield "\n".join(tenant())


def loads(needs: Sequence[Need], shape: Shape) -> Iterator[str]:
    yield row(f"entries a day, {shape.name}", (f"{each.entries_a_day // MILLION:,} million" for each in needs))
    yield row("---", ("---:" for _ in needs))
    yield row("entries a second, mean / peak", (f"{each.peak_s / PEAK:,.0f} / {each.peak_s:,.0f}" for each in needs))
    for part in shape.cpu_s:
        yield row(f"cores for {part}", (cores(each.cores[part]) for each in needs))
    yield row("Temporal actions a second, peak", (format_number(each.actions_s) for each in needs))
    yield row("million actions a month", (format_number(each.actions_a_month / MILLION) for each in needs))
    yield row("their list price a month", (f"${each.action_dollars:,.0f}" for each in needs))
    yield row("Temporal Cloud, a million entries", (f"${each.dollars_a_million:.2f}" for each in needs))
    yield row(f"histories of {HISTORY_DAYS} days, GB", (format_number(each.history_gb) for each in needs))
    yield row("PostgreSQL grows by, TB a year", (format_number(each.stored_tb_a_year) for each in needs))
    yield row("received at the peak, Mbit/s", (format_number(each.received_mbit_s) for each in needs))
    yield row("to each standby at the peak, Mbit/s", (format_number(each.log_mbit_s) for each in needs))


def tenant() -> Iterator[str]:
    yield row("entries a batch", (f"{batch:,}" for batch in BATCHES))
    yield row("---", ("---:" for _ in BATCHES))
    yield row("entries a second, one tenant", (f"{tenant_entries_s(batch):,.0f}" for batch in BATCHES))
    yield row(
        "millions a day, at half", (format_number(tenant_entries_s(batch) * DAY_S / 2 / MILLION) for batch in BATCHES)
    )


def row(head: str, cells: Iterator[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def cores(number: float) -> str:
    return "< 1" if number < 1 else f"{ceil(number)}"


def format_number(number: float) -> str:
    """Rounded to two significant digits."""
    if number >= 10:  # noqa: PLR2004 - where two digits are whole numbers
        return f"{number:,.0f}"
    return f"{number:.2f}" if number < 1 else f"{number:.1f}"


if __name__ == "__main__":
    print("\n\n".join(tables()))
