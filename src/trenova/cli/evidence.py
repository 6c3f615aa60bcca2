"""`trenova evidence`: a tenant's ledger, or a range of it, as one file that proves itself."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from trenova.cli import database, options
from trenova.cli.terminal import json_output
from trenova.errors import InvalidRequest, VerificationError
from trenova.runtime.installation import logins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from trenova.config import Settings
    from trenova.ledger.note import VerifierKey
    from trenova.ledger.trusted_checkpoint import TrustedCheckpoint
    from trenova.store.evidence import Evidence

MAX_CHECKPOINT_MIB = 1


def evidence(
    tenant: Annotated[str, typer.Option(help="The tenant whose entries to write.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file to write; compressed if its name ends in .gz.", dir_okay=False),
    ],
    since: Annotated[
        str | None, typer.Option("--from", help="First entry: an index (the first of all is 0) or a time.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="End: the index or time of the first entry that is not included.")
    ] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="An earlier checkpoint that the evidence must extend.", dir_okay=False, exists=True),
    ] = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Write evidence that anyone can verify offline.

    It holds a tenant's entries, or a part of them, with their proofs.

    Times are those of receipt, in RFC 3339 with an offset. The file appears only when it is complete.

    Example: trenova evidence --tenant acme --from 2026-01-01T00:00:00Z -o acme.evidence.gz
    """
    import asyncio

    from trenova.runtime.installation.settings import load_settings

    options.check_tenant(tenant)
    bounds = parse_bound("--from", since), parse_bound("--to", until)
    checkpoints = [read_checkpoint(path) for path in known or ()]
    settings = load_settings(config, data_dir)
    with database.explain_missing_rights(logins.OPERATOR, settings):
        summary = asyncio.run(write_evidence(settings, tenant, bounds, checkpoints, output))
    summary["bytes"] = output.stat().st_size
    if as_json:
        print(json_output.to_json(summary))
        return
    noun = "entry" if summary["entries"] == 1 else "entries"
    print(
        f"wrote {summary['entries']:,} {noun}, from index {summary['first']} of a ledger of {summary['size']:,}, "
        f"to {output}"
    )


async def write_evidence(
    settings: Settings,
    tenant: str,
    bounds: tuple[int | datetime | None, int | datetime | None],
    known: list[TrustedCheckpoint],
    output: Path,
) -> dict[str, object]:
    """Write the file. Returns the summary for `--json`, without the file's size."""
    from trenova.keys.signing import load_signer
    from trenova.runtime.process import database_url
    from trenova.store import Store
    from trenova.store import evidence as evidence_store

    keys = load_signer(settings, os.environ).keys(tenant)
    for checkpoint in known:
        check_signature(checkpoint, keys)
    async with Store.open(database_url(settings)) as store:
        evidence = await evidence_store.evidence(
            store.ledgers, tenant, keys=keys, bounds=bounds, known=[checkpoint.message for checkpoint in known]
        )
        with open_atomically(output) as file:
            await copy(evidence, file)
    header = evidence.header
    return {
        "file": str(output),
        "tenant": tenant,
        "origin": header.origin,
        "first": header.first,
        "entries": header.count,
        "size": evidence.size,
    }


def check_signature(checkpoint: TrustedCheckpoint, keys: Sequence[VerifierKey]) -> None:
    """Raise VerificationError for a wrong signature, as of a character changed in transit: the file would be damaged.

    A signature of a key that is unknown here is left to the reader, who may know it.
    """
    from trenova.ledger import note, signing, verify

    parsed = note.parse(checkpoint.message)
    if not {(line.name, line.key_id) for line in parsed.signatures} & {(key.name, key.id) for key in keys}:
        return
    try:
        verify.signatures(parsed, keys=keys, check=signing.check)
    except VerificationError as error:
        raise VerificationError(
            f"{checkpoint.name}: {error.message}", hint="get the checkpoint again from where you saved it"
        ) from None


async def copy(evidence: Evidence, file: IO[bytes]) -> None:
    from trenova.cli.terminal.screen import entries_progress
    from trenova.ledger.evidence import write as writing

    with entries_progress("writing") as progress:
        file.write(writing.start(evidence.header))
        written = 0
        async for section in evidence.sections():
            file.write(writing.section(section))
            written += len(section.entries)
            progress(written, evidence.header.count)
        file.write(writing.finish(evidence.header))


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which gets its name when the block succeeds, and is removed when it fails.

    Only its owner may read it, since it holds the entries themselves.
    """
    from isal import igzip

    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise write_error(path, error) from None
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            if path.suffix == ".gz":
                with igzip.IGzipFile(filename="", mode="wb", fileobj=file) as packed:  # type: ignore[no-untyped-call]
                    yield cast("IO[bytes]", packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from None
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_error(path: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(f"cannot write {path}: {error.strerror or error}", hint="name another file with -o")


def parse_bound(flag: str, text: str | None) -> int | datetime | None:
    """An index, or a time with an offset."""
    import msgspec

    from trenova.domain.entry import Time

    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    try:
        return msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"{flag}: expected an index or a time, got {text!r}", hint="write a time as 2026-01-31T00:00:00Z"
        ) from None


def read_checkpoint(path: Path) -> TrustedCheckpoint:
    """A checkpoint that was saved earlier.

    Raises:
        InvalidRequest: the file cannot be read.
        VerificationError: it is not a checkpoint.
    """
    from trenova.config import MIB
    from trenova.ledger import trusted_checkpoint

    try:
        with path.open("rb") as file:
            return trusted_checkpoint.read(str(path), file.read(MAX_CHECKPOINT_MIB * MIB + 1))
    except OSError as error:
        raise InvalidRequest(f"{path}: cannot be read: {error.strerror or error}") from None
