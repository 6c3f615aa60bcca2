"""`trenova verify`: whether evidence files hold, offline, or every ledger in the running database."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trenova.cli import database, options
from trenova.errors import LedgerDamaged, NotChecked, OutputFailed, TrenovaError, VerificationError
from trenova.runtime.installation import logins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trenova.ledger.note import VerifierKey

SCRIPT = "verify_evidence.py"
NOT_PROVED = 1


@dataclass(slots=True)
class Progress:
    """What the check has reported so far."""

    damaged: bool = False


def print_script(value: bool) -> None:
    if value:
        from importlib import resources

        print(resources.files("trenova.ledger.evidence").joinpath(SCRIPT).read_text("utf-8"), end="")
        raise typer.Exit


def verify(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE…", help="Evidence files, plain or compressed.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Check the ledgers in the database instead of files.")] = False,
    tenant: Annotated[str | None, typer.Option(help="With --live: check only this tenant's ledger.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="A verifier key of the ledger: <name>+<id>+<base64>.")] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint saved earlier, which the ledger must extend.", dir_okay=False),
    ] = None,
    cosignatures: Annotated[
        int | None, typer.Option(min=1, help="How many of the witnesses must have cosigned; default: all.")
    ] = None,
    witness: Annotated[list[str] | None, typer.Option(help="A verifier key of a witness.")] = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
    script: Annotated[
        bool,
        typer.Option(
            "--script",
            help=f"Print {SCRIPT}, which verifies without Trenova being installed.",
            callback=print_script,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Verify evidence offline, or the database with --live.

    Names every damaged place.

    Exit code 0: proved. 1: not proved. 2: nothing was checked. 3: a file is consistent, but signed by a key that nobody
    vouched for: without --key the keys in the file itself are used. --live uses the configured signing keys.

    Example: trenova verify acme.evidence.gz --key audit.example.com/v1/log/acme+ee00098d+AQOh…
    """
    import asyncio

    from trenova.ledger.note import COSIGNATURE, ED25519

    del script
    if live == bool(files):
        raise typer.BadParameter("name evidence files, or give --live")
    if live and (cosignatures or witness):
        raise typer.BadParameter("--cosignatures and --witness are only for evidence files")
    if tenant is not None and not live:
        raise typer.BadParameter("--tenant is only for --live")
    keys, witnesses = parse_keys(key, "--key", ED25519), parse_keys(witness, "--witness", COSIGNATURE)
    if len({each.public_key for each in witnesses}) < (cosignatures or 0):
        raise typer.BadParameter(f"{cosignatures} cosignatures need as many --witness keys, each of another witness")
    progress = Progress()
    with report_as_not_checked(progress):
        from trenova.cli.evidence import read_checkpoint

        options.check_tenant(tenant)
        checkpoints = [read_checkpoint(path) for path in known or ()]
        if files:
            from trenova.cli.verify_files import TrustAnchors, check_files

            trusted = TrustAnchors(keys=keys, known=checkpoints, witnesses=witnesses, cosignatures=cosignatures)
            raise typer.Exit(check_files(files, trusted, as_json=as_json))
        from trenova.cli.verify_live import check_database
        from trenova.runtime.installation.settings import load_settings

        settings = load_settings(config, data_dir)
        with database.explain_missing_rights(logins.OPERATOR, settings):
            asyncio.run(check_database(settings, keys, checkpoints, tenant or "", progress, as_json=as_json))
        if progress.damaged:
            raise typer.Exit(NOT_PROVED)


@contextmanager
def report_as_not_checked(progress: Progress) -> Iterator[None]:
    """Turn an error into NotChecked, as it is not a verdict.

    Errors that say that the ledger is damaged, or that the output failed, pass unchanged; so does any error after
    damage was reported: it ends the check, but does not take the report back.
    """
    try:
        yield
    except (LedgerDamaged, OutputFailed):
        raise
    except TrenovaError as error:
        if progress.damaged:
            raise
        raise NotChecked(f"nothing was checked: {error.message}", hint=error.hint) from error


def parse_keys(values: Sequence[str] | None, option: str, algorithm: int) -> list[VerifierKey]:
    """The keys in the values of an option. One value may hold several, as a file of keys does: one per line.

    A value without a key is what a shell makes of a file that is absent or empty. It is an error: treated as no option,
    it would leave out the check that it was meant for.
    """
    return [parse_key(text, algorithm) for value in values or () for text in split_keys(value, option)]


def split_keys(value: str, option: str) -> list[str]:
    keys = value.removeprefix("\ufeff").split()
    if not keys:
        raise typer.BadParameter(
            f"{option} is empty, expected a verifier key: check that the file or variable it comes from exists and "
            "holds one"
        )
    return keys


def parse_key(text: str, algorithm: int) -> VerifierKey:
    """The key of a ledger (ED25519) or of a witness (COSIGNATURE). Neither can replace the other."""
    from trenova.ledger import note
    from trenova.ledger.note import COSIGNATURE, ED25519

    try:
        key = note.parse_key(text)
    except VerificationError as error:
        raise typer.BadParameter(error.message) from None
    if key.algorithm != algorithm:
        owner = {ED25519: "a ledger (type 1), for --key", COSIGNATURE: "a witness (type 4), for --witness"}
        raise typer.BadParameter(f"{key.name} is the key of {owner[key.algorithm]}")
    return key
