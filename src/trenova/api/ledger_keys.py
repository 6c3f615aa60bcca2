"""The public halves of the keys that sign the logs. The API never signs, so it keeps nothing else of them."""

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
    """The keys that verify the checkpoints of all logs whose origins begin with `prefix`; none where none is known."""

    prefix: str
    keys: tuple[VerifierKey, ...] = ()

    def of(self, tenant: str) -> tuple[VerifierKey, ...]:
        """The tenant's verifier keys, its log's own first. NotFound where this server was given none."""
        if not self.keys:
            raise NotFound(
                "this server does not know the logs' keys",
                hint="ask its operator for them",
                note="give the API the signing key's file, or hand out what `trenova keys public` prints",
            )
        return tuple(replace(key, name=checkpoint.origin(self.prefix, tenant)) for key in self.keys)


def load_ledger_keys(settings: Settings, environ: Mapping[str, str]) -> LedgerKeys:
    """The keys as the workers have them. Without a good one everything but the route of the keys works as it does."""
    try:
        return public_keys_of(load_signer(settings, environ))
    except InvalidConfiguration as error:
        log.warning("started without the logs' keys", error=error.message)
        return LedgerKeys(prefix=settings.ledger.origin)


def public_keys_of(signer: LedgerSigner) -> LedgerKeys:
    return LedgerKeys(prefix=signer.prefix, keys=tuple(secret.key for secret in signer.secrets))
