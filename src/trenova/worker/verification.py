"""The logs as the nightly check sees them: one process beside the worker's own, so that storing goes on undisturbed."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from trenova.domain.verification import DamagedPlace, LedgerVerdict
from trenova.errors import InvalidConfiguration
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import VerifierKey
from trenova.store import catalog
from trenova.store.pool import Pool
from trenova.store.verification import Verifier, processes


@dataclass(frozen=True, slots=True)
class StoredLedgers:
    url: str = field(repr=False)
    signer: LedgerSigner | None
    witnesses: tuple[VerifierKey, ...] = ()
    """Whose cosignatures are verified."""

    async def database(self) -> list[DamagedPlace]:
        """As `Verifier.database`."""
        async with Pool.open(self.url, size=1) as pool:
            return await catalog.check(pool)

    async def logs(
        self, progress: Callable[[int, int], None], *, tenant: str = "", after: str = ""
    ) -> AsyncGenerator[LedgerVerdict, None]:
        """As `Verifier.logs`; the process is there only meanwhile."""
        if self.signer is None:
            raise InvalidConfiguration(["no log is verified without its keys, and this program has none"])
        with processes(1) as workers:
            verifier = Verifier(url=self.url, keys=self.signer.keys, workers=workers, witnesses=self.witnesses)
            async with aclosing(verifier.logs(progress, tenant=tenant, after=after)) as verdicts:
                async for verdict in verdicts:
                    yield verdict
