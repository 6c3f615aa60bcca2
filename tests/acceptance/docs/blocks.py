"""The command blocks of the documentation: what a reader types, the output on the page, and which test runs it."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:^ *<!-- (?P<note>(?:run by|not run:)[^\n]*?) -->\n)?^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
TYPED = frozenset({"sh", "console", "bash", "shell", "sql", "python"})
RUN_BY, NOT_RUN = "run by ", "not run: "
PROMPTS = ("$ ", "# ")
ANYTHING = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is typed, and the output lines that the page shows."""

    text: str
    shown: tuple[str, ...] = ()

    @property
    def patterns(self) -> list[str]:
        """Each line as a regular expression: a word with a digit stands for any word, `…` for anything."""
        return [r"\s+".join(pattern_of(word) for word in line.split()) for line in self.shown if line.strip()]


def pattern_of(word: str) -> str:
    if ANYTHING in word:
        return ".*"
    return r"\S+" if re.search(r"\d", word) else re.escape(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    page: str
    line: int
    language: str
    text: str
    note: str | None
    """Which other test runs it, or why none does."""

    @property
    def commands(self) -> list[Command]:
        return split(self.text) if self.language == "console" else [Command(text=self.text)]


def split(text: str) -> list[Command]:
    """The commands of a terminal block with their output. A line that ends in a backslash continues in the next."""
    typed: list[str] = []
    shown: list[list[str]] = []
    continues = False
    for line in text.splitlines():
        if continues:
            typed[-1] += f"\n{line}"
        elif line.startswith(PROMPTS):
            typed.append(line[2:])
            shown.append([])
        elif shown:
            shown[-1].append(line)
            continue
        continues = line.endswith("\\")
    return [Command(text=command, shown=tuple(lines)) for command, lines in zip(typed, shown, strict=True)]


def blocks_of(path: Path) -> Iterator[Block]:
    content = path.read_text()
    for found in BLOCK.finditer(content):
        yield Block(
            page=str(path.relative_to(CHECKOUT)),
            line=content.count("\n", 0, found.start("indent")) + 1,
            language=found["language"],
            text=textwrap.dedent(found["text"]),
            note=found["note"],
        )


ALL = [block for path in PAGES for block in blocks_of(path)]


def typed_by(test: str, page: str) -> list[str]:
    """The commands of the page that this test types, in order."""
    found = [block for block in ALL if block.page == page and block.note == f"{RUN_BY}{test}"]
    return [command.text for block in found for command in block.commands]
