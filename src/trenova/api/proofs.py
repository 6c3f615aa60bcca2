"""Routes for inclusion and consistency proofs, as JSON and as receipts that other tools can check."""

import uuid
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation
from litestar.params import FromPath, QueryParameter

from trenova.api.auth import ACCESS, READERS, Caller, requires
from trenova.api.openapi import answers, problems
from trenova.api.query import QUERY, text_parameter
from trenova.api.services import Services
from trenova.errors import InvalidRequest, NotFound, Unavailable
from trenova.ledger import hashing, receipt
from trenova.store import Store
from trenova.store.ledgers import Leaf, StoredCheckpoint

JSON, TEXT = "application/json", "text/plain"
MAX_SIZE = (1 << 63) - 1
NO_ENTRY = "no stored entry with this id"


class Proof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The place of an entry in its tenant's log, and its proof. Bytes are standard base64."""

    index: int
    """Position in the tenant's log, from 0."""
    salt: str | None = None
    """16 bytes; absent once the body has been removed."""
    leaf_hash: str
    tree_size: int
    """Size of the tree that the checkpoint signs."""
    proof: list[str]
    """32-byte hashes, leaf to root."""
    checkpoint: str
    """C2SP signed note."""


class Consistency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Proof that the log at size `from` is the beginning of the log at size `to`."""

    old: int = msgspec.field(name="from")
    new: int = msgspec.field(name="to")
    proof: list[str]
    """32-byte hashes, standard base64 (RFC 6962)."""
    checkpoint: str | None = None
    """C2SP signed note of the size `to`; absent if no checkpoint was signed at exactly that size."""


@dataclass
class ProofOperation(Operation):
    """The operation with two media types; Litestar describes one."""

    def __post_init__(self) -> None:
        assert self.responses is not None
        answer = self.responses["200"]
        assert isinstance(answer, OpenAPIResponse)
        assert answer.content is not None
        lines: Any = {"type": "string", "description": "A C2SP tlog-proof."}
        answer.content[TEXT] = OpenAPIMediaType(schema=lines)


@get(
    "/v1/entries/{entry_id:uuid}/proof",
    opt={ACCESS: requires(READERS), QUERY: {"tenant", "format"}},
    operation_class=ProofOperation,
    summary="Prove one entry",
    responses={200: answers(Proof, "The proof of the entry"), **problems(400, 401, 403, 404, 429, 503)},
    tags=["proofs"],
)
async def read_proof(
    request: Request[Any, Any, Any],
    entry_id: FromPath[uuid.UUID],
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    tenant: Annotated[str | None, text_parameter("Whose entry, if several tenants have one with this id.")] = None,
    form: Annotated[
        Literal["json", "tlog-proof"] | None,
        QueryParameter(name="format", description="`tlog-proof` is the text that `Accept: text/plain` also selects."),
    ] = None,
) -> Response[bytes]:
    """Prove that a stored entry is in its log, as of the newest checkpoint, even if its body has been removed."""
    async with services.read_slots.slot(caller.share):
        owner, leaf = single_entry(await services.store.entries.find(entry_id, tenant=caller.tenant_to_read(tenant)))
        signed, path = await prove_inclusion(services.store, owner, leaf)
    as_text = request.accept.best_match([JSON, TEXT]) == TEXT if form is None else form == "tlog-proof"
    if as_text:
        made = receipt.Receipt(index=leaf.index, path=path, checkpoint=signed.note, salt=leaf.salt)
        return Response(content=made.encode(), media_type=TEXT)
    return Response(content=msgspec.json.encode(proof_of(leaf, signed, path)), media_type=JSON)


@get(
    "/v1/proofs/consistency",
    opt={ACCESS: requires(READERS), QUERY: {"from", "to", "tenant"}},
    summary="Prove that an older log is the beginning of a newer one",
    responses={200: answers(Consistency, "The consistency proof"), **problems(400, 401, 403, 404, 429, 503)},
    tags=["proofs"],
)
async def read_consistency(
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    old: Annotated[int, QueryParameter(name="from", ge=0, le=MAX_SIZE, description="The older size.")],
    new: Annotated[
        int | None, QueryParameter(name="to", ge=0, le=MAX_SIZE, description="The newer size; default: the newest.")
    ] = None,
    tenant: Annotated[str | None, text_parameter("Whose log. Not needed with a key for one tenant.")] = None,
) -> Response[bytes]:
    """Prove that nothing of the older log was changed, removed or moved."""
    owner = caller.tenant_to_read(tenant)
    if owner is None:
        raise InvalidRequest("this API key may read every tenant", hint="name one: ?tenant=…")
    async with services.read_slots.slot(caller.share):
        logs = services.store.ledgers
        newest = await logs.newest(owner)
        if newest is None:
            raise NotFound("this tenant has no log")
        size = newest.size if new is None else new
        if size > newest.size:
            raise InvalidRequest(f"the log has {newest.size} entries, fewer than the size {size}")
        if old > size:
            raise InvalidRequest(
                f"a log of size {size} cannot begin with one of size {old}; `from` must be the older size"
            )
        path = await logs.consistency(owner, old, size)
        signed = newest if size == newest.size else await logs.at(owner, size)
        note = None if signed is None else signed.note.decode()
    answer = Consistency(old=old, new=size, proof=base64_list(path), checkpoint=note)
    return Response(content=msgspec.json.encode(answer), media_type=JSON)


def single_entry(leaves: dict[str, Leaf]) -> tuple[str, Leaf]:
    """The tenant and the leaf of the only entry found. Raises NotFound, or InvalidRequest if there are several."""
    if not leaves:
        raise NotFound(NO_ENTRY)
    if len(leaves) > 1:
        raise InvalidRequest(f"{len(leaves)} tenants have an entry with this id", hint="name one: ?tenant=…")
    return next(iter(leaves.items()))


async def prove_inclusion(store: Store, tenant: str, leaf: Leaf) -> tuple[StoredCheckpoint, tuple[bytes, ...]]:
    """The newest checkpoint, and the path from leaf to root that proves the entry under it."""
    logs = await store.ledgers.provable({tenant: [leaf.index]})
    if tenant not in logs:
        unsigned = "no checkpoint of this log has been signed yet"
        raise Unavailable(unsigned, hint="start a worker: it signs checkpoints when it starts", to_client=unsigned)
    paths = logs[tenant].inclusions({leaf.index: hashing.leaf(leaf.commitment)})
    return logs[tenant].signed, paths[leaf.index]


def proof_of(leaf: Leaf, signed: StoredCheckpoint, path: Iterable[bytes]) -> Proof:
    return Proof(
        index=leaf.index,
        salt=None if leaf.salt is None else to_base64(leaf.salt),
        leaf_hash=to_base64(hashing.leaf(leaf.commitment)),
        tree_size=signed.size,
        proof=base64_list(path),
        checkpoint=signed.note.decode(),
    )


def base64_list(hashes: Iterable[bytes]) -> list[str]:
    return [to_base64(each) for each in hashes]


def to_base64(data: bytes) -> str:
    return b64encode(data).decode()
