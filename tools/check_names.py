"""Check that no function and no class is named by a bare past participle. Run by `make lint`.

`opened()` does not say whether it opens something, returns what is open or asks whether it is open: a function is a
verb (`open_store`), a noun (`open_files`) or a question (`is_open`). Properties, tests and exceptions are exempt.
"""

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FOLDERS = ("src", "benchmarks", "chaos", "tools", "tests")

# Past participles that do not end in -ed. Those that are spelled as their verb (read, put, set, split, cut, shut, hit,
# let, quit, run) are not here: as a function's name they are imperatives.
IRREGULAR = """
begun bent bitten blown born borne bought bound broken brought built burnt caught chosen clung dealt done drawn
driven drunk dug eaten fallen fed felt fled flown flung forbidden forgiven forgotten fought found frozen given gone
got gotten grown heard held hidden hung kept knelt known laid lain lent led left lit lost made meant met mistaken
paid proven ridden risen rung said seen sent sewn shaken shone shorn shot shown shrunk slept slid sold sought spent
spoken sprung spun stolen stood strewn struck strung stuck sung sunk swept sworn swum swung taken taught thought
thrown told torn understood undone unknown unseen unsent untold wept withdrawn withheld woken won worn wound woven
written wrung came drew gave knew ran saw spoke threw took went wrote
"""
# Words in -ed that are base forms or nouns.
NOT_PARTICIPLES = (
    "bed bleed breed deed embed exceed feed heed misdeed need proceed red reed seed shed speed succeed wed weed"
)
# Methods that a library calls by this name.
CALLED_BY_LIBRARIES: dict[str, str] = {}
# Classes that name a state of the domain.
STATES: dict[str, str] = {
    "Accepted": "the answer to a request in the state accepted",
    "Replayed": "the answer to a replay; the name is in the OpenAPI document",
    "Parked": "an entry in the state parked, with its reason",
}


@dataclass(frozen=True, slots=True, order=True)
class Offender:
    """A function or a class whose name is a bare past participle."""

    path: str
    line: int
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind} {self.name} is named by a bare past participle"


def is_participle(name: str) -> bool:
    """Whether the name is a single word and a past participle; leading and trailing underscores do not count."""
    word = name.strip("_").lower()
    return "_" not in word and (
        word in IRREGULAR.split() or (word.endswith("ed") and word not in NOT_PARTICIPLES.split())
    )


def parse(root: Path, folders: Iterable[str] = FOLDERS) -> dict[str, ast.Module]:
    """Each Python file below these folders, by its path from the root."""
    files = sorted(file for folder in folders for file in (root / folder).rglob("*.py"))
    return {file.relative_to(root).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def offenders(modules: dict[str, ast.Module]) -> Iterator[Offender]:
    exceptions = exceptions_in(modules.values())
    for path, module in modules.items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if is_participle(node.name) and not is_property(node) and node.name not in CALLED_BY_LIBRARIES:
                    yield Offender(path, node.lineno, "function", node.name)
            elif (
                isinstance(node, ast.ClassDef)
                and is_single_word(node.name)
                and is_participle(node.name)
                and node.name not in exceptions
                and node.name not in STATES
            ):
                yield Offender(path, node.lineno, "class", node.name)


def is_single_word(name: str) -> bool:
    """Whether a class name in CapWords is one word."""
    return sum(letter.isupper() for letter in name) <= 1


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the function is read as a value: a property, its setter, or a property that is computed once."""
    return any(
        last_name(decorator) in {"property", "cached_property", "setter"} for decorator in function.decorator_list
    )


def exceptions_in(modules: Iterable[ast.Module]) -> set[str]:
    """The names of all classes that derive from an exception, directly or through one another."""
    known = {name for name, value in vars(builtins).items() if is_exception(value)}
    classes = [node for module in modules for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    while added := {node.name for node in classes if known & set(map(last_name, node.bases))} - known:
        known |= added
    return known


def is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def last_name(node: ast.expr) -> str:
    """The name that an expression ends with: `b` of `a.b`, of `a.b(…)` and of `a.b[…]`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return last_name(inner)
    return ""


def main(root: Path = CHECKOUT) -> int:
    found = sorted(offenders(parse(root)))
    for each in found:
        print(each, file=sys.stderr)
    if found:
        print(
            "hint: name a function by a verb, a noun or a question: open_store, open_files, is_open. A state of the"
            " domain, or a name that a library calls, belongs in the lists of tools/check_names.py, with its reason",
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
