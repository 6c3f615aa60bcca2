"""Puts the report of a run into the documentation: python -m chaos.publish faults.md docs/faults.md."""

import sys
from pathlib import Path

from chaos import report


def main(report_file: Path, page: Path) -> None:
    page.write_text(
        report.replace_section(page.read_text(encoding="utf-8"), report_file.read_text(encoding="utf-8")),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
