"""The nightly verification of the ledgers, in a process beside the worker's, so that storing goes on undisturbed."""

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
    """The keys of the witnesses whose cosignatures are verified."""

    async def check_database(self) -> list[DamagedPlace]:
        """The damaged objects of the database."""
        async with Pool.open(self.url, size=1) as pool:
            return await catalog.check(pool)

    async def verify_ledgers(
        self, progress: Callable[[int, int], None], *, tenant: str = "", after: str = ""
    ) -> AsyncGenerator[LedgerVerdict, None]:
        """The verdict on each ledger, one after the other. The extra process lives only while this runs."""
        if self.signer is None:
            raise InvalidConfiguration(["ledgers are verified with their signing keys, and none is configured"])
        with processes(1) as workers:
            verifier = Verifier(url=self.url, keys=self.signer.keys, workers=workers, witnesses=self.witnesses)
            async with aclosing(verifier.logs(progress, tenant=tenant, after=after)) as verdicts:
                async for verdict in verdicts:
                    yield verdict
