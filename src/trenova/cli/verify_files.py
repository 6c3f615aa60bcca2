"""`trenova verify FILE…`: checks evidence files one after the other, and reports each verdict as text or JSON."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from trenova.cli.terminal import json_output
from trenova.cli.terminal.screen import stderr_console
from trenova.cli.terminal.text import printable_line
from trenova.errors import NotChecked, VerificationError
from trenova.ledger import note, signing, verify
from trenova.ledger.evidence import check as evidence_check
from trenova.ledger.evidence.lines import decode_header
from trenova.ledger.evidence.reader import Reader
from trenova.ledger.evidence.verdict import Verdict
from trenova.ledger.note import VerifierKey
from trenova.ledger.trusted_checkpoint import TrustedCheckpoint
from trenova.runtime.phrases import many

PROVED, NOT_PROVED, NOT_CHECKED, CONSISTENT = range(4)
"""Exit codes, the same as those of verify_evidence.py."""
GRAVEST_FIRST = (NOT_PROVED, NOT_CHECKED, CONSISTENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchors:
    """What the reader trusts: keys, checkpoints, and witnesses of which `cosignatures` must have cosigned."""

    keys: Sequence[VerifierKey]
    known: Sequence[TrustedCheckpoint]
    witnesses: Sequence[VerifierKey]
    cosignatures: int | None


def check_files(paths: Sequence[Path], trusted: TrustAnchors, *, as_json: bool) -> int:
    """Check and report all files. Returns the gravest exit code. Raises NotChecked for wrong known checkpoints."""
    # Only a known checkpoint needs the ledger of each file beforehand: without one, a file is read once, like a pipe.
    origins = {path: origin_of(path) for path in paths} if trusted.known else {}
    check_known(trusted, origins)
    codes, unread = set(), []
    for path in paths:
        try:
            verdict = check_file(path, trusted, origins.get(path))
        except OSError as error:
            unread.append(f"nothing was checked: {path}: cannot be read: {error.strerror or error}")
            codes.add(NOT_CHECKED)
            continue
        print_verdict(path, verdict, as_json=as_json)
        codes.add(exit_code(verdict))
    code = next((code for code in GRAVEST_FIRST if code in codes), PROVED)
    for message in unread:
        print_error(message, code, as_json=as_json)
    return code


def print_error(message: str, code: int, *, as_json: bool) -> None:
    if as_json:
        json_output.print_error(message, hint=None, exit_code=code)
    else:
        print(printable_line(f"error: {message}"), file=sys.stderr)


def check_known(trusted: TrustAnchors, origins: dict[Path, str | None]) -> None:
    """Check that each known checkpoint is of the ledger of a file, and signed by a given key, if any was given."""
    for checkpoint in trusted.known:
        if checkpoint.origin not in origins.values() and None not in origins.values():
            others = ", ".join(sorted({str(origin) for origin in origins.values()}))
            raise NotChecked(
                f"{checkpoint.name}: a checkpoint of the ledger {checkpoint.origin}, "
                f"but the file is of the ledger {others}",
                hint="give the checkpoint that you saved of this ledger",
            )
        try:
            if trusted.keys:
                parsed = note.parse(checkpoint.message)
                verify.log_signatures(parsed, origin=checkpoint.origin, keys=trusted.keys, check=signing.check)
        except VerificationError as error:
            raise NotChecked(
                f"{checkpoint.name}: {error.message}",
                hint="get it again from where you saved it; if the log had another key then, give that key too",
            ) from None


def origin_of(path: Path) -> str | None:
    """The log that a file claims to be of; None where the check will report what is wrong with it.

    Raises NotChecked for a pipe: what is read here would be missing in the check.
    """
    try:
        with path.open("rb") as file:
            if not file.seekable():
                raise NotChecked(
                    f"{path}: a pipe can be read only once, but with --known a file is read twice",
                    hint="save it to a file first, and name that",
                )
            return decode_header(Reader(file).line()).origin
    except (OSError, VerificationError):
        return None


def check_file(path: Path, trusted: TrustAnchors, origin: str | None) -> Verdict:
    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()]
    console = stderr_console()
    with (
        path.open("rb") as file,
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
        progress.wrap_file(file, os.fstat(file.fileno()).st_size, description="checking") as source,
    ):
        return evidence_check.check(
            source,
            check_signature=signing.check,
            keys=trusted.keys or None,
            known=[checkpoint.message for checkpoint in trusted.known if origin in {None, checkpoint.origin}],
            witnesses=trusted.witnesses,
            cosignatures=trusted.cosignatures,
            processes=usable_cores(),
        )


def print_verdict(path: Path, verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        print(json_output.to_json(as_data(path, verdict)))
    else:
        print("\n".join(printable_line(f"{path}: {line}") for line in verdict_lines(verdict)))


def exit_code(verdict: Verdict) -> int:
    if not verdict.holds:
        return NOT_PROVED
    return PROVED if verdict.trusted_key else CONSISTENT


def as_data(path: Path, verdict: Verdict) -> dict[str, Any]:
    return {
        "file": str(path),
        "holds": verdict.holds,
        "verdict": verdict.outcome,
        **asdict(verdict),
        "root": verdict.root.hex(),
    }


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    yield from map(str, verdict.damages)
    if not verdict.holds:
        yield f"NOT PROVED: {many(len(verdict.damages), 'finding', 'findings')}"
        return
    what = f"{many(verdict.entries, 'entry', 'entries')} from {verdict.first} of the ledger {verdict.origin}"
    word = "proved" if verdict.trusted_key else "consistent, but signed by a key that nobody vouched for"
    yield f"{word}: {what}"
    yield f"tree of size {verdict.size}, root {verdict.root.hex()}"
    removed = sum(last - first + 1 for first, last in verdict.removed)
    if removed:
        yield f"{removed:,} have no body any more: they were in the ledger; what they said is not shown"
    if not verdict.trusted_key:
        yield "anyone can write such a file: give the ledger's key, as its owner gave it to you, with --key"


def usable_cores() -> int:
    """The number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
