"""`trenova verify`: whether evidence files hold, offline, or the logs in the running database."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from trenova.cli import settings
from trenova.cli.evidence import read_checkpoint
from trenova.cli.screen import progress_of_entries, shown, standard_error
from trenova.config import DEFAULT_DATA_DIR, Settings
from trenova.domain.verification import LogVerdict
from trenova.errors import InvalidRequest, VerificationError
from trenova.ledger import note
from trenova.ledger.note import COSIGNATURE, ED25519, VerifierKey
from trenova.process import database_url

if TYPE_CHECKING:
    from trenova.ledger.evidence.verdict import Verdict
    from trenova.store.verification import KeysOf


def verify(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="Evidence, plain or packed.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Check the logs in the database instead of files.")] = False,
    tenant: Annotated[str | None, typer.Option(help="With --live: this log only.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="A verifier key of the log: <name>+<id>+<base64>.")] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint kept from earlier: the log must continue it.", dir_okay=False),
    ] = None,
    cosignatures: Annotated[
        int | None, typer.Option(min=1, help="How many of the witnesses must have cosigned; all when absent.")
    ] = None,
    witness: Annotated[list[str] | None, typer.Option(help="A witness's verifier key.")] = None,
    config: settings.ConfigFile = None,
    data_dir: settings.DataDir = DEFAULT_DATA_DIR,
    as_json: settings.Json = False,
) -> None:
    """Check evidence files offline, or with --live everything that the database holds. Names every damaged place.

    Exit code 1 when anything is damaged. Without --key a file's own keys are taken (whole, but whose?), and --live
    takes those of the configured signing keys.

    Example: trenova verify acme.evidence.gz --key audit.example.com/v1/log/acme+ee00098d+AQOh…
    """
    if live == bool(files):
        raise typer.BadParameter("name evidence files, or say --live")
    if live and (cosignatures or witness):
        raise typer.BadParameter("--cosignatures and --witness are for evidence files")
    if tenant is not None and not live:
        raise typer.BadParameter("--tenant goes with --live")
    settings.check_tenant(tenant)
    keys = [parsed(text, ED25519) for text in key or ()]
    witnesses = [parsed(text, COSIGNATURE) for text in witness or ()]
    if len({each.public_key for each in witnesses}) < (cosignatures or 0):
        raise typer.BadParameter(f"{cosignatures} cosignatures need as many --witness keys, each of another witness")
    kept = [read_checkpoint(path) for path in known or ()]
    if live:
        holds = asyncio.run(check_live(settings.load(config, data_dir), keys, kept, tenant or "", as_json=as_json))
    else:
        verdicts = [
            check_file(path, keys or None, kept, witnesses, cosignatures, as_json=as_json) for path in files or ()
        ]
        holds = all(verdicts)
    if not holds:
        raise typer.Exit(1)


def parsed(text: str, algorithm: int) -> VerifierKey:
    """The key, of a log (ED25519) or of a witness (COSIGNATURE): neither may stand in for the other."""
    try:
        key = note.parse_key(text)
    except VerificationError as error:
        raise typer.BadParameter(error.message) from None
    if key.algorithm != algorithm:
        whose = {ED25519: "a log (type 1), for --key", COSIGNATURE: "a witness (type 4), for --witness"}
        raise typer.BadParameter(f"{key.name} is the key of {whose[key.algorithm]}")
    return key


def check_file(
    path: Path,
    keys: Sequence[VerifierKey] | None,
    known: Sequence[bytes],
    witnesses: Sequence[VerifierKey],
    cosignatures: int | None,
    *,
    as_json: bool,
) -> bool:
    from trenova.ledger import signing  # noqa: PLC0415 - slow to import
    from trenova.ledger.evidence import check as checking  # noqa: PLC0415

    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()]
    screen = standard_error()
    try:
        with (
            path.open("rb") as file,
            Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as progress,
            progress.wrap_file(file, path.stat().st_size, description="checking") as source,
        ):
            verdict = checking.check(
                source,
                check_signature=signing.check,
                keys=keys,
                known=known,
                witnesses=witnesses,
                cosignatures=cosignatures,
                processes=cores(),
            )
    except OSError as error:
        raise InvalidRequest(f"{path}: cannot be read: {error.strerror}") from None
    if as_json:
        print(settings.plain_json(of_file(path, verdict)))
    else:
        print("\n".join(shown(f"{path}: {line}") for line in described(verdict)))
    return verdict.holds


def of_file(path: Path, verdict: "Verdict") -> dict[str, Any]:
    return {"file": str(path), "holds": verdict.holds, **asdict(verdict), "root": verdict.root.hex()}


def described(verdict: "Verdict") -> Iterator[str]:
    yield from map(str, verdict.damages)
    if not verdict.holds:
        yield f"NOT PROVED, damaged places: {len(verdict.damages)}"
        return
    yield f"proved: {verdict.entries:,} entries from {verdict.first} of the log {verdict.origin}"
    yield f"tree of size {verdict.size}, root {verdict.root.hex()}"
    removed = sum(last - first + 1 for first, last in verdict.removed)
    if removed:
        yield f"{removed:,} have no body any more: proved is that they were in the log, not what they said"
    if not verdict.trusted_key:
        yield "the key came from the file itself: this says that the file is whole, not who wrote it (use --key)"


async def check_live(
    loaded: Settings, keys: Sequence[VerifierKey], known: Sequence[bytes], tenant: str, *, as_json: bool
) -> bool:
    from trenova.publishing.witnesses import witnesses_of  # noqa: PLC0415 - slow to import
    from trenova.store.verification import Claim, Verifier, claim, processes  # noqa: PLC0415 - slow to import

    witnesses = [each.key for each in witnesses_of(loaded.ledger)]
    keys_of = keys_for(loaded, keys)
    claims: dict[str, list[Claim]] = {}
    for message in known:
        owner, made = claim(message, keys_of)
        claims.setdefault(owner, []).append(made)
    holds, logs, entries, removed = True, 0, 0, 0
    with processes(cores()) as workers, progress_of_entries("checking") as progress:
        verifier = Verifier(url=database_url(loaded), keys=keys_of, workers=workers, known=claims, witnesses=witnesses)
        database = LogVerdict(tenant="", size=0, places=await verifier.database())
        if database.places:
            show_log(database, as_json=as_json)
            holds = False
        async for verdict in verifier.logs(progress, tenant=tenant):
            show_log(verdict, as_json=as_json)
            holds = holds and not verdict.places
            logs, entries, removed = logs + 1, entries + verdict.size, removed + verdict.removed
    if not as_json and holds:
        print(f"sound: {logs:,} logs with {entries:,} entries, {removed:,} of them without a body")
    elif not as_json:
        print(f"DAMAGED: see above; {logs:,} logs with {entries:,} entries were checked")
    return holds


def keys_for(loaded: Settings, keys: Sequence[VerifierKey]) -> "KeysOf":
    """Those given, each for the log it is named after; else those of the configured signing keys."""
    from trenova.signing_keys import log_signer_of  # noqa: PLC0415 - slow to import

    if not keys:
        return log_signer_of(loaded, os.environ).keys
    return lambda tenant: [key for key in keys if key.name.rpartition("/")[2] == tenant]


def show_log(verdict: LogVerdict, *, as_json: bool) -> None:
    if as_json:
        print(settings.plain_json(verdict), flush=True)
        return
    for place in verdict.places:
        print(shown(str(place)), flush=True)
        if place.next_step:
            print(shown(f"  → {place.next_step}"), flush=True)
    if verdict.unsigned:
        told = f"{verdict.unsigned} of {verdict.checkpoints} kept checkpoints have no signature of a key that was given"
        print(shown(f"{verdict.tenant}: {told}; their roots are those of the tree"))


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
