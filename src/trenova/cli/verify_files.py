"""Evidence files, checked one after the other: what each is worth, in a line and in the exit code."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from trenova.cli import json_output
from trenova.cli.screen import shown, standard_error
from trenova.errors import NotChecked, VerificationError
from trenova.ledger import note, verify
from trenova.ledger.note import VerifierKey
from trenova.ledger.trusted_checkpoint import TrustedCheckpoint

if TYPE_CHECKING:
    from trenova.ledger.evidence.verdict import Verdict

PROVED, NOT_PROVED, NOT_CHECKED, CONSISTENT = range(4)
"""Exit codes, the same as those of verify_evidence.py."""
GRAVEST_FIRST = (NOT_PROVED, NOT_CHECKED, CONSISTENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What the reader brings along: keys of logs, checkpoints, and witnesses of which so many must have cosigned."""

    keys: Sequence[VerifierKey]
    known: Sequence[TrustedCheckpoint]
    witnesses: Sequence[VerifierKey]
    cosignatures: int | None


def check_files(paths: Sequence[Path], trusted: Trusted, *, as_json: bool) -> int:
    """The exit code for all of the files: the gravest of theirs. Raises NotChecked for what is given beside them."""
    # Only a kept checkpoint needs to know before which log a file is of: without one a file is read once, as a pipe is.
    origins = {path: origin_of(path) for path in paths} if trusted.known else {}
    check_kept(trusted, origins)
    codes, unread = set(), []
    for path in paths:
        try:
            verdict = verdict_of(path, trusted, origins.get(path))
        except OSError as error:
            unread.append(f"nothing was checked: {path}: cannot be read: {error.strerror or error}")
            codes.add(NOT_CHECKED)
            continue
        show(path, verdict, as_json=as_json)
        codes.add(exit_code(verdict))
    code = next((code for code in GRAVEST_FIRST if code in codes), PROVED)
    for message in unread:
        complain(message, code, as_json=as_json)
    return code


def complain(message: str, code: int, *, as_json: bool) -> None:
    if as_json:
        json_output.print_error(message, hint=None, exit_code=code)
    else:
        print(shown(f"error: {message}"), file=sys.stderr)


def check_kept(trusted: Trusted, origins: dict[Path, str | None]) -> None:
    """Each kept checkpoint is of the log of a file, and signed by a key that was given, if any was."""
    from trenova.ledger import signing  # noqa: PLC0415 - slow to import

    for kept in trusted.known:
        if kept.origin not in origins.values() and None not in origins.values():
            others = ", ".join(sorted({str(origin) for origin in origins.values()}))
            raise NotChecked(
                f"{kept.name}: a checkpoint of the log {kept.origin}, and the file is of the log {others}",
                hint="give the checkpoint that you kept of this log",
            )
        try:
            if trusted.keys:
                parsed = note.parse(kept.message)
                verify.log_signatures(parsed, origin=kept.origin, keys=trusted.keys, check=signing.check)
        except VerificationError as error:
            raise NotChecked(
                f"{kept.name}: {error.message}",
                hint="get it again from where you kept it; if the log had another key then, give that one, too",
            ) from None


def origin_of(path: Path) -> str | None:
    """The log that a file says it is of; None where the check will say what is wrong with it.

    Raises NotChecked for a pipe: what is read of it here would be gone for the check.
    """
    from trenova.ledger.evidence.lines import decode_header  # noqa: PLC0415 - slow to import
    from trenova.ledger.evidence.reader import Reader  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            if not file.seekable():
                raise NotChecked(
                    f"{path}: a pipe can be read only once, and with --known a file is read twice",
                    hint="save it to a file first, and name that",
                )
            return decode_header(Reader(file).line()).origin
    except (OSError, VerificationError):
        return None


def verdict_of(path: Path, trusted: Trusted, origin: str | None) -> "Verdict":
    from trenova.ledger import signing  # noqa: PLC0415 - slow to import
    from trenova.ledger.evidence import check as checking  # noqa: PLC0415

    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()]
    screen = standard_error()
    with (
        path.open("rb") as file,
        Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as progress,
        progress.wrap_file(file, os.fstat(file.fileno()).st_size, description="checking") as source,
    ):
        return checking.check(
            source,
            check_signature=signing.check,
            keys=trusted.keys or None,
            known=[kept.message for kept in trusted.known if origin in {None, kept.origin}],
            witnesses=trusted.witnesses,
            cosignatures=trusted.cosignatures,
            processes=cores(),
        )


def show(path: Path, verdict: "Verdict", *, as_json: bool) -> None:
    if as_json:
        print(json_output.plain_json(of_file(path, verdict)))
    else:
        print("\n".join(shown(f"{path}: {line}") for line in described(verdict)))


def exit_code(verdict: "Verdict") -> int:
    if not verdict.holds:
        return NOT_PROVED
    return PROVED if verdict.trusted_key else CONSISTENT


def of_file(path: Path, verdict: "Verdict") -> dict[str, Any]:
    return {
        "file": str(path),
        "holds": verdict.holds,
        "verdict": verdict.outcome,
        **asdict(verdict),
        "root": verdict.root.hex(),
    }


def described(verdict: "Verdict") -> Iterator[str]:
    found = len(verdict.damages)
    yield from map(str, verdict.damages)
    if not verdict.holds:
        yield f"NOT PROVED: {found:,} {'finding' if found == 1 else 'findings'}"
        return
    what = f"{verdict.entries:,} entries from {verdict.first} of the log {verdict.origin}"
    word = "proved" if verdict.trusted_key else "consistent, but signed by a key that nobody vouched for"
    yield f"{word}: {what}"
    yield f"tree of size {verdict.size}, root {verdict.root.hex()}"
    removed = sum(last - first + 1 for first, last in verdict.removed)
    if removed:
        yield f"{removed:,} have no body any more: they were in the log; what they said is not shown"
    if not verdict.trusted_key:
        yield "anybody can write such a file: give the log's key, as its owner handed it to you, with --key"


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
