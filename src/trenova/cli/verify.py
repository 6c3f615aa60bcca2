"""`trenova verify`: whether evidence files hold, offline, or the logs in the running database."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trenova.cli import database_login, json_output, options
from trenova.cli.evidence import read_checkpoint
from trenova.cli.screen import progress_of_entries, shown
from trenova.cli.verify_files import NOT_PROVED, Trusted, check_files, cores
from trenova.config import DEFAULT_DATA_DIR, Settings
from trenova.domain.verification import LedgerVerdict
from trenova.errors import LedgerDamaged, NotChecked, OutputFailed, TrenovaError, VerificationError
from trenova.ledger import note
from trenova.ledger.note import COSIGNATURE, ED25519, VerifierKey
from trenova.ledger.trusted_checkpoint import TrustedCheckpoint
from trenova.runtime.installation import logins
from trenova.runtime.installation.settings import load_settings
from trenova.runtime.process import database_url

if TYPE_CHECKING:
    from trenova.store.verification import Claim, KeysOf

SCRIPT = "verify_evidence.py"
LOOK = "see that the file or variable that it comes from is there and holds one"
OPTION_OF = {ED25519: "--key", COSIGNATURE: "--witness"}


@dataclass(slots=True)
class Told:
    """What the reader has seen so far."""

    damage: bool = False


def print_script(value: bool) -> None:
    if value:
        print(resources.files("trenova.ledger.evidence").joinpath(SCRIPT).read_text("utf-8"), end="")
        raise typer.Exit


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
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
    script: Annotated[
        bool,
        typer.Option(
            "--script", help=f"Print {SCRIPT}, which needs nothing of ours.", callback=print_script, is_eager=True
        ),
    ] = False,
) -> None:
    """Check evidence files offline, or with --live everything that the database holds. Names every damaged place.

    Exit code 0: proved. 1: not proved. 2: nothing was checked. 3: a file is consistent, but signed by a key that nobody
    vouched for, since there was no --key and its own keys were taken. --live takes those of the signing keys.

    Example: trenova verify acme.evidence.gz --key audit.example.com/v1/log/acme+ee00098d+AQOh…
    """
    del script
    if live == bool(files):
        raise typer.BadParameter("name evidence files, or say --live")
    if live and (cosignatures or witness):
        raise typer.BadParameter("--cosignatures and --witness are for evidence files")
    if tenant is not None and not live:
        raise typer.BadParameter("--tenant goes with --live")
    keys, witnesses = read_keys(key, ED25519), read_keys(witness, COSIGNATURE)
    if len({each.public_key for each in witnesses}) < (cosignatures or 0):
        raise typer.BadParameter(f"{cosignatures} cosignatures need as many --witness keys, each of another witness")
    told = Told()
    with nothing_checked(told):
        options.check_tenant(tenant)
        kept = [read_checkpoint(path) for path in known or ()]
        if files:
            trusted = Trusted(keys=keys, known=kept, witnesses=witnesses, cosignatures=cosignatures)
            raise typer.Exit(check_files(files, trusted, as_json=as_json))
        loaded = load_settings(config, data_dir)
        with database_login.needing(logins.OPERATOR, loaded):
            asyncio.run(check_live(loaded, keys, kept, tenant or "", told, as_json=as_json))
        if told.damage:
            raise typer.Exit(NOT_PROVED)


@contextmanager
def nothing_checked(told: Told) -> Iterator[None]:
    """An error is none of the verdicts, but for what says that the log itself is damaged, or that nobody reads them.

    Behind damage that was told it stays what it is: it ends the check, and takes nothing back.
    """
    try:
        yield
    except (LedgerDamaged, OutputFailed):
        raise
    except TrenovaError as error:
        if told.damage:
            raise
        raise NotChecked(f"nothing was checked: {error.message}", hint=error.hint) from error


def read_keys(given: Sequence[str] | None, algorithm: int) -> list[VerifierKey]:
    """Several in one argument are as good as several arguments: a file of keys has one a line.

    An argument without any is what a shell makes of a file that is absent or empty. Taken for no argument, it would
    leave out the check that it was to make.
    """
    return [parsed(text, algorithm) for each in given or () for text in texts(each, OPTION_OF[algorithm])]


def texts(argument: str, option: str) -> list[str]:
    found = argument.removeprefix("\ufeff").split()
    if not found:
        raise typer.BadParameter(f"{option} is empty, expected a verifier key: {LOOK}")
    return found


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


async def check_live(
    loaded: Settings,
    keys: Sequence[VerifierKey],
    known: Sequence[TrustedCheckpoint],
    tenant: str,
    told: Told,
    *,
    as_json: bool,
) -> None:
    from trenova.publishing.witnesses import witnesses_of  # noqa: PLC0415 - slow to import
    from trenova.store.verification import Verifier, processes  # noqa: PLC0415 - slow to import

    witnesses = [each.key for each in witnesses_of(loaded.ledger)]
    keys_of = keys_for(loaded, keys)
    claims = claims_of(known, keys_of, tenant)
    logs, entries, removed = 0, 0, 0
    with processes(cores()) as workers, progress_of_entries("checking") as progress:
        verifier = Verifier(url=database_url(loaded), keys=keys_of, workers=workers, known=claims, witnesses=witnesses)
        database = LedgerVerdict(tenant="", size=0, places=await verifier.database())
        if database.places:
            told.damage = True
            show_log(database, as_json=as_json)
        async for verdict in verifier.logs(progress, tenant=tenant):
            told.damage = told.damage or bool(verdict.places)
            show_log(verdict, as_json=as_json)
            logs, entries, removed = logs + 1, entries + verdict.size, removed + verdict.removed
    if not as_json and not told.damage:
        print(f"sound: {logs:,} logs with {entries:,} entries, {removed:,} of them without a body")
    elif not as_json:
        print(f"DAMAGED: see above; {logs:,} logs with {entries:,} entries were checked")


def claims_of(known: Sequence[TrustedCheckpoint], keys_of: "KeysOf", tenant: str) -> "dict[str, list[Claim]]":
    """What the kept checkpoints claim, by tenant. Raises NotChecked for one that nothing would be compared with."""
    from trenova.store.verification import claim  # noqa: PLC0415 - slow to import

    claims: dict[str, list[Claim]] = {}
    for kept in known:
        try:
            owner, made = claim(kept.message, keys_of)
        except VerificationError as error:
            raise NotChecked(f"{kept.name}: {error.message}", hint="give the key of that log with --key") from None
        if tenant not in {"", owner}:
            raise NotChecked(f"{kept.name}: a checkpoint of the log of {owner}, and --tenant is {tenant}")
        claims.setdefault(owner, []).append(made)
    return claims


def keys_for(loaded: Settings, keys: Sequence[VerifierKey]) -> "KeysOf":
    """Those given, each for the log it is named after; else those of the configured signing keys."""
    from trenova.keys.signing import load_signer  # noqa: PLC0415 - slow to import

    if not keys:
        return load_signer(loaded, os.environ).keys
    return lambda tenant: [key for key in keys if key.name.rpartition("/")[2] == tenant]


def show_log(verdict: LedgerVerdict, *, as_json: bool) -> None:
    if as_json:
        print(json_output.plain_json(verdict), flush=True)
        return
    for place in verdict.places:
        print(shown(str(place)), flush=True)
        if place.next_step:
            print(shown(f"  → {place.next_step}"), flush=True)
    if verdict.unsigned:
        told = f"{verdict.unsigned} of {verdict.checkpoints} kept checkpoints have no signature of a key that was given"
        print(shown(f"{verdict.tenant}: {told}; their roots are those of the tree"))
