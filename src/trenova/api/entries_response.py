"""The answer to added entries: the state of each, with its receipt once it is stored."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Literal, NamedTuple

import msgspec
import structlog

from trenova.api.parked_reasons import reason_for_sender
from trenova.api.problems import FieldProblem, field_problems
from trenova.api.proofs import base64_list, to_base64
from trenova.domain.entry import SealedEntry
from trenova.domain.intake import CheckResult
from trenova.domain.same_content import has_same_content
from trenova.errors import LedgerDamaged
from trenova.ingest import PlacedEntries
from trenova.ledger import hashing
from trenova.store import Store
from trenova.store.entries import StoredEntry
from trenova.store.ledgers import Provable
from trenova.threads import run_off_loop

log = structlog.get_logger()

PARKED: Literal["parked"] = "parked"
# More proofs than this are computed in a thread, so that other requests do not wait.
OFF_LOOP_ENTRIES = 100


class InclusionProof(NamedTuple):
    """The inclusion proof of one entry: the path from leaf to root, and the checkpoint that it leads to."""

    path: tuple[bytes, ...]
    tree_size: int
    note: str


Receipts = Mapping[tuple[str, uuid.UUID], StoredEntry]
Proofs = Mapping[tuple[str, int], InclusionProof]
"""By tenant and index."""


class EntryState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one entry. The fields after `reason` are present once it is stored. Bytes are standard base64."""

    id: uuid.UUID
    state: Literal["accepted", "spooled", "stored", "parked"]
    batch_id: str | None = None
    """Only if the request was too large for one batch."""
    reason: str | None = None
    """Why it is parked, in words for its sender. It is kept and retried, and an operator can edit it."""
    index: int | None = None
    """Position in the tenant's log, from 0."""
    duplicate: bool | None = None
    """An entry with this id was stored before; that one stays, and this one was not stored again."""
    body_differs: bool | None = None
    """The entry that was stored before has other content; absent if that has been removed."""
    salt: str | None = None
    """16 bytes. Absent if the body differs or has been removed."""
    leaf_hash: str | None = None
    tree_size: int | None = None
    """Of the checkpoint."""
    proof: list[str] | None = None
    """32-byte hashes, leaf to root."""
    checkpoint: str | None = None
    """C2SP signed note."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to accepted entries, in the order of the request, without the invalid ones."""

    batch_id: str
    entries: list[EntryState]
    errors: list[FieldProblem] | None = None
    """With `?partial=true`: what is wrong with the invalid entries."""
    more_errors: int | None = None
    """How many more entries are invalid than `errors` lists."""


class InvalidEntryList(NamedTuple):
    """The invalid entries of a request with `?partial=true`, as the answer lists them."""

    listed: list[FieldProblem] | None = None
    more: int | None = None

    @classmethod
    def of(cls, checked: CheckResult) -> "InvalidEntryList":
        problems = field_problems(checked.problems)
        return cls(problems, checked.bad - len(problems) or None)


NO_INVALID_ENTRIES = InvalidEntryList()


def accepted_body(placed: Sequence[PlacedEntries], invalid: InvalidEntryList) -> bytes:
    """The answer, in JSON, to entries that are accepted or spooled."""
    of_batch = {one.batch.batch_id: one.batch.state for one in placed}
    only = placed[0].batch.batch_id
    states = [
        EntryState(id=entry.id, state=of_batch[batch_id or only], batch_id=batch_id)
        for batch_id, entry in entries_of(placed)
    ]
    return encode_body(placed, states, invalid)


async def stored_body(placed: Sequence[PlacedEntries], invalid: InvalidEntryList, store: Store) -> tuple[bytes, int]:
    """The answer, in JSON, to entries that are stored or parked, and its status.

    It takes three statements, however many entries there are, and one more if any is parked.
    """
    sent = [entry for _, entry in entries_of(placed)]
    receipts = await store.entries.receipts([one.batch.batch_id for one in placed], sent)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for receipt in receipts.values():
        places[receipt.tenant].append(receipt.index)
    logs = await store.ledgers.provable(places)
    parked = (
        {}
        if len(receipts) == len({(entry.tenant, entry.id) for entry in sent})
        else await parked_reasons(placed, store)
    )

    def answer() -> tuple[bytes, int]:
        proofs = inclusion_proofs(receipts, logs)
        states = [
            stored_state(entry, batch_id, receipts[entry.tenant, entry.id], proofs)
            if (entry.tenant, entry.id) in receipts
            else parked_state(entry, batch_id, parked.get((entry.tenant, entry.id)))
            for batch_id, entry in entries_of(placed)
        ]
        return encode_body(placed, states, invalid), status_of({each.state for each in states})

    return await run_off_loop(answer, large=len(sent) > OFF_LOOP_ENTRIES)


def status_of(states: AbstractSet[str]) -> int:
    """The status for these states. Some are still accepted if a workflow claims success and has not stored them."""
    if PARKED in states:
        return HTTPStatus.MULTI_STATUS
    return HTTPStatus.CREATED if states == {"stored"} else HTTPStatus.ACCEPTED


def inclusion_proofs(receipts: Receipts, logs: Mapping[str, Provable]) -> dict[tuple[str, int], InclusionProof]:
    """The proof of each entry, by tenant and index; none for a damaged ledger, whose entries are stored anyway."""
    leaves: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
    for receipt in receipts.values():
        leaves[receipt.tenant][receipt.index] = hashing.leaf(receipt.commitment)
    proofs: dict[tuple[str, int], InclusionProof] = {}
    for tenant, provable in logs.items():
        try:
            paths = provable.inclusions(leaves[tenant])
        except LedgerDamaged as error:
            log.error("ledger damaged", tenant=tenant, error=error.message)  # noqa: TRY400 - the message says it all
            continue
        note = provable.signed.note.decode()
        proofs |= {(tenant, index): InclusionProof(path, provable.signed.size, note) for index, path in paths.items()}
    return proofs


async def parked_reasons(
    placed: Sequence[PlacedEntries], store: Store
) -> dict[tuple[str | None, uuid.UUID | None], str]:
    """Why entries of these batches are parked, by tenant and id, in words that their senders may see."""
    parked = await store.dead_letters.of_batches([one.batch.batch_id for one in placed])
    return {(each.tenant, each.entry_id): reason_for_sender(each.code, each.reason) for each in parked}


def parked_state(entry: SealedEntry, batch_id: str | None, reason: str | None) -> EntryState:
    """The state of an entry that its batch has not stored."""
    return EntryState(id=entry.id, state="accepted" if reason is None else PARKED, batch_id=batch_id, reason=reason)


def stored_state(entry: SealedEntry, batch_id: str | None, receipt: StoredEntry, proofs: Proofs) -> EntryState:
    # Two callers may send the same id in one batch: then the body shows whose entry was stored.
    duplicate = not receipt.by_this_batch or (receipt.has_body and receipt.body != entry.body)
    differs = duplicate and has_other_content(receipt, entry) if receipt.has_body else None
    proof = proofs.get((entry.tenant, receipt.index))
    return EntryState(
        id=entry.id,
        state="stored",
        batch_id=batch_id,
        index=receipt.index,
        duplicate=duplicate,
        body_differs=differs,
        # With the salt, the sender of another body could guess at the content of the stored one.
        salt=None if receipt.salt is None or differs else to_base64(receipt.salt),
        leaf_hash=to_base64(hashing.leaf(receipt.commitment)),
        tree_size=proof and proof.tree_size,
        proof=proof and base64_list(proof.path),
        checkpoint=proof and proof.note,
    )


def has_other_content(receipt: StoredEntry, entry: SealedEntry) -> bool:
    return receipt.body is None or not has_same_content(entry.body, receipt.body)


def entries_of(placed: Sequence[PlacedEntries]) -> Iterator[tuple[str | None, SealedEntry]]:
    """Each entry, with the id of its batch if there are several."""
    for one in placed:
        batch_id = one.batch.batch_id if len(placed) > 1 else None
        yield from ((batch_id, entry) for entry in one.entries)


def encode_body(placed: Sequence[PlacedEntries], states: list[EntryState], invalid: InvalidEntryList) -> bytes:
    answer = Accepted(
        batch_id=placed[0].batch.batch_id, entries=states, errors=invalid.listed, more_errors=invalid.more
    )
    return msgspec.json.encode(answer)
