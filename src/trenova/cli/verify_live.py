"""`trenova verify --live`: checks every ledger in the database, and reports each as text or JSON."""

import os
from collections.abc import Sequence

from trenova.cli.terminal import json_output
from trenova.cli.terminal.screen import entries_progress
from trenova.cli.terminal.text import printable_line
from trenova.cli.verify import Progress
from trenova.cli.verify_files import usable_cores
from trenova.config import Settings
from trenova.domain.verification import LedgerVerdict
from trenova.errors import NotChecked, VerificationError
from trenova.keys.signing import load_signer
from trenova.ledger.note import VerifierKey
from trenova.ledger.trusted_checkpoint import TrustedCheckpoint
from trenova.publishing.witnesses import witnesses_of
from trenova.runtime.phrases import many
from trenova.runtime.process import database_url
from trenova.store.verification import Claim, KeysOf, Verifier, claim, processes


async def check_database(
    settings: Settings,
    keys: Sequence[VerifierKey],
    known: Sequence[TrustedCheckpoint],
    tenant: str,
    progress: Progress,
    *,
    as_json: bool,
) -> None:
    """Check all ledgers, or that of `tenant`, and print each verdict; `progress` notes damage as it is printed."""
    witnesses = [witness.key for witness in witnesses_of(settings.ledger)]
    keys_of = keys_for(settings, keys)
    claims = claims_by_tenant(known, keys_of, tenant)
    ledgers, entries, removed = 0, 0, 0
    with processes(usable_cores()) as workers, entries_progress("checking") as show_progress:
        verifier = Verifier(
            url=database_url(settings), keys=keys_of, workers=workers, known=claims, witnesses=witnesses
        )
        database = LedgerVerdict(tenant="", size=0, places=await verifier.database())
        if database.places:
            progress.damaged = True
            print_verdict(database, as_json=as_json)
        async for verdict in verifier.logs(show_progress, tenant=tenant):
            progress.damaged = progress.damaged or bool(verdict.places)
            print_verdict(verdict, as_json=as_json)
            ledgers, entries, removed = ledgers + 1, entries + verdict.size, removed + verdict.removed
    checked = f"{many(ledgers, 'ledger', 'ledgers')} with {many(entries, 'entry', 'entries')}"
    if not as_json and not progress.damaged:
        print(f"sound: {checked}, {removed:,} of them without a body")
    elif not as_json:
        print(f"DAMAGED: see above; checked {checked}")


def claims_by_tenant(known: Sequence[TrustedCheckpoint], keys_of: KeysOf, tenant: str) -> dict[str, list[Claim]]:
    """What the known checkpoints claim. Raises NotChecked for one that would be compared with nothing."""
    claims: dict[str, list[Claim]] = {}
    for checkpoint in known:
        try:
            owner, claimed = claim(checkpoint.message, keys_of)
        except VerificationError as error:
            raise NotChecked(
                f"{checkpoint.name}: {error.message}", hint="give the key of that ledger with --key"
            ) from None
        if tenant not in {"", owner}:
            raise NotChecked(f"{checkpoint.name}: a checkpoint of the ledger of {owner}, but --tenant is {tenant}")
        claims.setdefault(owner, []).append(claimed)
    return claims


def keys_for(settings: Settings, keys: Sequence[VerifierKey]) -> KeysOf:
    """The given keys, each for the ledger it is named after; else those of the configured signing keys."""
    if not keys:
        return load_signer(settings, os.environ).keys
    return lambda tenant: [key for key in keys if key.name.rpartition("/")[2] == tenant]


def print_verdict(verdict: LedgerVerdict, *, as_json: bool) -> None:
    if as_json:
        print(json_output.to_json(verdict), flush=True)
        return
    for place in verdict.places:
        print(printable_line(str(place)), flush=True)
        if place.next_step:
            print(printable_line(f"  → {place.next_step}"), flush=True)
    if verdict.unsigned:
        unsigned = f"{verdict.unsigned} of {verdict.checkpoints} stored checkpoints have no signature of a given key"
        print(printable_line(f"{verdict.tenant}: {unsigned}; their roots are those of the tree"))
