"""The product as a client sees it over HTTP: entries, checkpoints, proofs and receipts."""

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import msgspec

from chaos.tally import Findings
from trenova.errors import VerificationError
from trenova.ledger import checkpoint, hashing, note, receipt, signing, verify
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.note import VerifierKey
from trenova.ledger.receipt import Receipt

PAGE = 1000
LIMIT_S = 120


class Page(msgspec.Struct, frozen=True):
    entries: list[msgspec.Raw]
    next_cursor: str | None = None


class Consistency(msgspec.Struct, frozen=True):
    proof: list[str]


class EntryReceipt(msgspec.Struct, frozen=True):
    """The answer to `wait=stored` for one entry. The proof may be absent although the entry is stored."""

    id: str
    index: int | None = None
    salt: str | None = None
    proof: list[str] | None = None
    checkpoint: str | None = None


@dataclass(slots=True)
class Outside:
    """A reader with a key for all tenants. It checks everything only with what any client has."""

    url: str
    api_key: str = field(repr=False)
    findings: Findings

    def http(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=LIMIT_S, trust_env=False, verify=False)

    async def bodies(self, tenant: str) -> AsyncIterator[list[bytes]]:
        """Every stored entry of the tenant, in pages, as bytes."""
        cursor: dict[str, str] = {}
        async with self.http() as http:
            while True:
                asked = {"tenant": tenant, "order": "stored", "limit": str(PAGE), **cursor}
                page = msgspec.json.decode(await content(http, "/v1/entries", asked), type=Page)
                if not page.entries or page.next_cursor is None:
                    return
                yield [bytes(each) for each in page.entries]
                cursor = {"cursor": page.next_cursor}

    async def keys(self, tenants: Sequence[str]) -> dict[str, tuple[VerifierKey, ...]]:
        """The verifier keys of the ledgers that exist."""
        async with self.http() as http:
            found = {tenant: await http.get(f"/v1/tenants/{tenant}/key") for tenant in tenants}
        return {
            tenant: tuple(note.parse_key(line) for line in answer.text.splitlines())
            for tenant, answer in found.items()
            if answer.is_success
        }

    async def checkpoints(
        self, seen: Mapping[str, Sequence[bytes]], keys: Mapping[str, Sequence[VerifierKey]]
    ) -> dict[str, list[bytes]]:
        """Prove that every checkpoint that was seen is a beginning of the next one, and the last of what is there now.

        Returns those with a valid signature. Valid proofs chain: then the ledger never showed two histories.
        """
        good: dict[str, list[bytes]] = {}
        async with self.http() as http:
            for tenant, messages in seen.items():
                now = await content(http, f"/v1/log/{tenant}/checkpoint", {})
                origin, of_log = origin_and_keys(keys.get(tenant, ()))
                heads: list[Checkpoint] = []
                for message in [*messages, now]:
                    try:
                        heads.append(verify.signed_checkpoint(message, origin=origin, keys=of_log, check=signing.check))
                        good.setdefault(tenant, []).append(message)
                    except VerificationError as error:
                        self.findings.add("checkpoint", f"{tenant}: {error.message}")
                heads.sort(key=lambda head: head.size)
                for old, new in pairwise(heads):
                    await self._continues(http, tenant, old, new)
        return good

    async def _continues(self, http: httpx.AsyncClient, tenant: str, old: Checkpoint, new: Checkpoint) -> None:
        asked = {"tenant": tenant, "from": str(old.size), "to": str(new.size)}
        try:
            answer = msgspec.json.decode(await content(http, "/v1/proofs/consistency", asked), type=Consistency)
            path = [b64decode(each) for each in answer.proof]
            verify.consistency(size=old.size, root=old.root, new_size=new.size, new_root=new.root, path=path)
        except (VerificationError, httpx.HTTPStatusError) as error:
            self.findings.add("checkpoint", f"{tenant}: {old.size} is not a beginning of {new.size}: {error}")

    async def receipts(self, lines: Sequence[bytes], keys: Mapping[str, Sequence[VerifierKey]]) -> int:
        """Check that each receipt proves the body that is served today. Returns how many had a proof."""
        proved = 0
        async with self.http() as http:
            for line in lines:
                said = msgspec.json.decode(line, type=EntryReceipt)
                if said.proof is None or said.index is None or said.checkpoint is None:
                    continue
                proved += 1
                try:
                    head = checkpoint.parse(note.parse(said.checkpoint.encode()).text)
                    body = await content(http, f"/v1/entries/{said.id}", {})
                    origin, of_log = origin_and_keys(keys.get(head.origin.rpartition("/")[2], ()))
                    receipt.check(receipt_of(said), body=body, origin=origin, keys=of_log, check=signing.check)
                except (VerificationError, httpx.HTTPStatusError) as error:
                    self.findings.add("receipt", f"of {said.id} does not hold: {error}")
        return proved


def receipt_of(said: EntryReceipt) -> Receipt:
    return Receipt(
        index=said.index or 0,
        path=tuple(b64decode(each) for each in said.proof or ()),
        checkpoint=(said.checkpoint or "").encode(),
        salt=b64decode(said.salt) if said.salt else bytes(hashing.SALT_BYTES),
    )


async def content(http: httpx.AsyncClient, path: str, asked: Mapping[str, Any]) -> bytes:
    answer = await http.get(path, params=dict(asked))
    answer.raise_for_status()
    return answer.content


def origin_and_keys(keys: Sequence[VerifierKey]) -> tuple[str, Sequence[VerifierKey]]:
    """The origin in the names of the keys, and the keys."""
    return next((key.name for key in keys), ""), keys
