"""Plain-text tables of at most 80 columns, the same on a terminal and in a file."""

import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 80
GAP = "  "


def format_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The title, the headings and the rows. The first column is left-aligned and wrapped where a line is too long."""
    others = [max(len(row[at]) for row in (headings, *rows)) for at in range(1, len(headings))]
    first = min(
        max(len(row[0]) for row in (headings, *rows)),
        WIDTH - sum(others) - len(GAP) * len(others),
    )
    lines = [*textwrap.wrap(title, WIDTH), ""]
    lines += format_row(headings, first, others)
    lines.append(GAP.join("-" * width for width in (first, *others)))
    for row in rows:
        lines += format_row(row, first, others)
    return "\n".join(lines) + "\n"


def format_row(row: Sequence[str], first: int, others: Sequence[int]) -> Iterator[str]:
    start, *rest = textwrap.wrap(row[0], first) or [""]
    cells = [cell.rjust(width) for cell, width in zip(row[1:], others, strict=True)]
    yield GAP.join([start.ljust(first), *cells]).rstrip()
    yield from rest


def format_notes(notes: Sequence[tuple[str, str]]) -> str:
    """A paragraph for each name and its note."""
    return "\n".join(textwrap.fill(f"{name}: {note}", WIDTH, subsequent_indent=GAP) for name, note in notes)
