"""The same, counted inside: in the tables, by the auditor's own check, and in Temporal."""

import uuid
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import psycopg
from temporalio.client import Client

from chaos.tally import Findings
from trenova.domain.reserved import SYSTEM_TENANT
from trenova.ledger.note import VerifierKey
from trenova.store.verification import Verifier
from trenova.store.verification.stretch import Claim
from trenova.store.verification.verifier import claim

PLACES = """
    SELECT e.tenant, count(*), count(DISTINCT e.index), count(DISTINCT e.id), min(e.index), max(e.index),
        (SELECT h.size FROM heads AS h WHERE h.tenant = e.tenant)
    FROM entries AS e WHERE e.tenant = ANY(%s) GROUP BY e.tenant ORDER BY e.tenant
"""
LETTERS = "SELECT count(*), count(*) FILTER (WHERE reason = '' OR code = '') FROM dead_letters WHERE stored_at IS NULL"
# The last 20 bits of an id are the position in its request.
FIRSTS = "SELECT id, index FROM entries WHERE tenant = %s AND right(id::text, 5) = '00000'"
APPENDS = """
    SELECT first_index, EXTRACT(epoch FROM stored_at)::float8 FROM batches
    WHERE tenant = %s AND stored > 0 ORDER BY first_index
"""
STORED_AT = "SELECT EXTRACT(epoch FROM stored_at)::float8 FROM batches WHERE stored > 0 ORDER BY stored_at"

RUNNING = 'WorkflowType = "ProcessAuditBatchWorkflow" AND ExecutionStatus = "Running"'
ENDED_BADLY = (
    'WorkflowType = "ProcessAuditBatchWorkflow" AND ExecutionStatus IN ("Failed", "Terminated", "TimedOut", "Canceled")'
)

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


async def count(owner: Connection, tenants: Sequence[str], findings: Findings) -> dict[str, int]:
    """Rows of each tenant. Each ledger must have every index from 0 to its head's size once, and every id once."""
    rows = await (await owner.execute(PLACES, [list(tenants)])).fetchall()
    for tenant, number, indexes, ids, first, last, size in rows:
        if not number == indexes == last - first + 1 == size or first != 0:
            findings.add(
                "gap", f"{tenant}: {number} rows at {indexes} indexes from {first} to {last}, and a head of size {size}"
            )
        if ids != number:
            findings.add("doubled", f"{tenant}: {number} rows have {ids} ids")
    return {str(tenant): int(number) for tenant, number, *_ in rows}


async def letters(owner: Connection, findings: Findings) -> int:
    """How many entries are parked. None of ours should be, and each must have a reason."""
    ((parked, nameless),) = await (await owner.execute(LETTERS)).fetchall()
    if nameless:
        findings.add("dead letter", f"{nameless} have no reason")
    if parked:
        findings.add("dead letter", f"{parked} entries are parked")
    return int(parked)


async def stored_times(owner: Connection) -> list[float]:
    """When each append began that stored something new, in seconds of the wall clock, in order."""
    return [float(at) for (at,) in await (await owner.execute(STORED_AT)).fetchall()]


async def stored_of_requests(owner: Connection, tenants: Sequence[str]) -> dict[uuid.UUID, float]:
    """For the first entry of each request that is stored, when the append that stored it began."""
    found: dict[uuid.UUID, float] = {}
    for tenant in tenants:
        appends = await (await owner.execute(APPENDS, [tenant])).fetchall()
        begins = [first for first, _ in appends]
        for id_, index in await (await owner.execute(FIRSTS, [tenant])).fetchall():
            found[id_] = appends[bisect_right(begins, index) - 1][1]
    return found


async def logs(
    url: str,
    keys: Mapping[str, Sequence[VerifierKey]],
    kept: Mapping[str, Sequence[bytes]],
    workers: Executor,
    findings: Findings,
) -> int:
    """Verify everything stored against the trees, and the checkpoints that were kept with it.

    Returns the number of entries, without those of the system's own ledger, which no writer sent.
    """

    def keys_of(tenant: str) -> Sequence[VerifierKey]:
        return keys.get(tenant, ())

    known: dict[str, list[Claim]] = {}
    for messages in kept.values():
        for message in messages:
            tenant, made = claim(message, keys_of)
            known.setdefault(tenant, []).append(made)
    verified = 0
    verifier = Verifier(url=url, keys=keys_of, workers=workers, known=known)
    async for verdict in verifier.logs(lambda *_: None):
        verified += 0 if verdict.tenant == SYSTEM_TENANT else verdict.size
        for place in verdict.places:
            findings.add("damaged", str(place))
    return verified


async def running(client: Client) -> int:
    return (await client.count_workflows(RUNNING)).count


async def ended_badly(client: Client, findings: Findings) -> None:
    async for workflow in client.list_workflows(ENDED_BADLY):
        findings.add("workflow", f"{workflow.id} is {workflow.status.name if workflow.status else 'unknown'}")
