"""`trenova evidence`: a log, or a range of it, as one file that proves itself."""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import msgspec
import typer

from trenova.cli import database_login, json_output, options
from trenova.cli.screen import progress_of_entries
from trenova.config import DEFAULT_DATA_DIR, MIB, Settings
from trenova.domain.entry import Time
from trenova.errors import InvalidRequest, VerificationError
from trenova.ledger import note, trusted_checkpoint
from trenova.ledger.note import VerifierKey
from trenova.ledger.trusted_checkpoint import TrustedCheckpoint
from trenova.runtime.installation import logins
from trenova.runtime.installation.settings import load_settings
from trenova.runtime.process import database_url

if TYPE_CHECKING:
    from trenova.store.evidence import Evidence

MAX_CHECKPOINT_BYTES = MIB


def evidence(
    tenant: Annotated[str, typer.Option(help="Whose log.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; packed if its name ends in .gz.", dir_okay=False)
    ],
    since: Annotated[str | None, typer.Option("--from", help="First entry: an index from 0, or a time.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="End: the index, or the time, of the first not in it.")
    ] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="An earlier checkpoint that the file shall continue.", dir_okay=False, exists=True),
    ] = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Write evidence of a log's entries, which anybody can check offline: see `trenova verify`.

    Times are those of receipt, in RFC 3339 with an offset. The file is there only when it is whole.

    Example: trenova evidence --tenant acme --from 2026-01-01T00:00:00Z -o acme.evidence.gz
    """
    options.check_tenant(tenant)
    bounds = bound("--from", since), bound("--to", until)
    checkpoints = [read_checkpoint(path) for path in known or ()]
    loaded = load_settings(config, data_dir)
    with database_login.needing(logins.OPERATOR, loaded):
        summary = asyncio.run(write(loaded, tenant, bounds, checkpoints, output))
    summary["bytes"] = output.stat().st_size
    if as_json:
        print(json_output.plain_json(summary))
        return
    print(f"{summary['entries']:,} entries from {summary['first']} of a log of {summary['size']:,} are in {output}")


async def write(
    loaded: Settings,
    tenant: str,
    bounds: tuple[int | datetime | None, int | datetime | None],
    known: list[TrustedCheckpoint],
    output: Path,
) -> dict[str, object]:
    from trenova.keys.signing import load_signer  # noqa: PLC0415 - slow to import
    from trenova.store import Store  # noqa: PLC0415
    from trenova.store import evidence as making  # noqa: PLC0415

    keys = load_signer(loaded, os.environ).keys(tenant)
    for each in known:
        check_signature(each, keys)
    async with Store.open(database_url(loaded)) as store:
        made = await making.evidence(
            store.ledgers, tenant, keys=keys, bounds=bounds, known=[each.message for each in known]
        )
        with whole_file(output) as file:
            await copy(made, file)
    header = made.header
    return {
        "file": str(output),
        "tenant": tenant,
        "origin": header.origin,
        "first": header.first,
        "entries": header.count,
        "size": made.size,
    }


def check_signature(kept: TrustedCheckpoint, keys: Sequence[VerifierKey]) -> None:
    """A bad one, such as a letter makes that changed on its way, would make the file a damaged one for every reader.

    One of a key that is not known here is for the reader, who may know it.
    """
    from trenova.ledger import signing, verify  # noqa: PLC0415 - slow to import

    parsed = note.parse(kept.message)
    if not {(line.name, line.key_id) for line in parsed.signatures} & {(key.name, key.id) for key in keys}:
        return
    try:
        verify.signatures(parsed, keys=keys, check=signing.check)
    except VerificationError as error:
        raise VerificationError(f"{kept.name}: {error.message}", hint="get it again from where you kept it") from None


async def copy(made: "Evidence", file: IO[bytes]) -> None:
    from trenova.ledger.evidence import write as writing  # noqa: PLC0415

    with progress_of_entries("writing") as progress:
        file.write(writing.start(made.header))
        written = 0
        async for section in made.sections():
            file.write(writing.section(section))
            written += len(section.entries)
            progress(written, made.header.count)
        file.write(writing.finish(made.header))


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that gets its name when the block ends well, and is gone when it does not.

    Only its owner may read it, since it holds the entries themselves.
    """
    from isal import igzip  # noqa: PLC0415

    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise cannot_write(path, error) from None
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
        raise cannot_write(path, error) from None
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def cannot_write(path: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(f"cannot write {path}: {error.strerror or error}", hint="name another file with -o")


def bound(flag: str, text: str | None) -> int | datetime | None:
    """An index, or a time with an offset."""
    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    try:
        return msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"{flag}: expected an index or a time, got {text!r}", hint="write a time as 2026-01-31T00:00:00Z"
        ) from None


def read_checkpoint(path: Path) -> TrustedCheckpoint:
    """Raises InvalidRequest for what cannot be read, VerificationError for what is no checkpoint."""
    try:
        with path.open("rb") as file:
            return trusted_checkpoint.read(str(path), file.read(MAX_CHECKPOINT_BYTES + 1))
    except OSError as error:
        raise InvalidRequest(f"{path}: cannot be read: {error.strerror or error}") from None
