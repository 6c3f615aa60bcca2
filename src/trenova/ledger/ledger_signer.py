"""Signing the checkpoints of every tenant of an installation with the same few secrets."""

from dataclasses import dataclass, field

from trenova.ledger import checkpoint, signing
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.note import VerifierKey
from trenova.ledger.signing import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSigner:
    """Signs the checkpoints of all ledgers whose origins begin with `prefix`.

    `secrets`: the ledgers' own key first, at least one; more than one during a key rotation. Their names do not
    matter: each signs under the origin of the ledger.
    """

    prefix: str
    secrets: tuple[Signer, ...] = field(repr=False)

    def sign(self, tenant: str, *, size: int, root: bytes) -> bytes:
        """The signed note of the tenant's tree at this size, with a signature of each key."""
        head = Checkpoint(origin=checkpoint.origin(self.prefix, tenant), size=size, root=root)
        return signing.sign(head, self._signers(tenant))

    def keys(self, tenant: str) -> tuple[VerifierKey, ...]:
        """The public keys that verify the tenant's checkpoints."""
        return tuple(signer.key for signer in self._signers(tenant))

    def _signers(self, tenant: str) -> tuple[Signer, ...]:
        origin = checkpoint.origin(self.prefix, tenant)
        return tuple(secret.with_name(origin) for secret in self.secrets)
