"""The public keys that verify checkpoints. The API never signs, so it keeps nothing else of the signing keys."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from trenova.config import Settings
from trenova.errors import InvalidConfiguration, NotFound
from trenova.keys.signing import load_signer
from trenova.ledger import checkpoint
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import VerifierKey

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerKeys:
    """The keys that verify the checkpoints of all ledgers whose origins begin with `prefix`; empty if unknown."""

    prefix: str
    keys: tuple[VerifierKey, ...] = ()

    def of(self, tenant: str) -> tuple[VerifierKey, ...]:
        """The tenant's verifier keys, its ledger's own first. Raises NotFound if this server has none."""
        if not self.keys:
            raise NotFound(
                "this server does not have the keys of the logs",
                hint="ask its operator for them",
                note="configure the signing key of the API, or give clients what `trenova keys public` prints",
            )
        return tuple(replace(key, name=checkpoint.origin(self.prefix, tenant)) for key in self.keys)


def load_ledger_keys(settings: Settings, environ: Mapping[str, str]) -> LedgerKeys:
    """The keys that the workers sign with. Without a valid one, only the route that returns the keys fails."""
    try:
        return public_keys_of(load_signer(settings, environ))
    except InvalidConfiguration as error:
        log.warning("started without the keys of the logs", error=error.message)
        return LedgerKeys(prefix=settings.ledger.origin)


def public_keys_of(signer: LedgerSigner) -> LedgerKeys:
    return LedgerKeys(prefix=signer.prefix, keys=tuple(secret.key for secret in signer.secrets))
