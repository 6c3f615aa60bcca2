"""The lint rule for names: what it reports, and what it allows."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "check_names.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_names", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_names = load()


def names_found(source: str) -> list[str]:
    return [offender.name for offender in check_names.offenders({"a.py": ast.parse(source)})]


@pytest.mark.parametrize("name", ["opened", "_opened", "told", "ran", "written", "unsealed"])
def test_a_bare_past_participle_is_reported(name: str) -> None:
    assert names_found(f"def {name}(): ...") == [name]
    assert names_found(f"class Store:\n    async def {name}(self): ...") == [name]


@pytest.mark.parametrize(
    "name", ["read", "put", "set", "split", "cut", "shut", "hit", "let", "quit", "run", "feed", "need"]
)
def test_a_verb_that_is_spelled_as_its_participle_is_allowed(name: str) -> None:
    assert names_found(f"def {name}(): ...") == []


@pytest.mark.parametrize("name", ["open_store", "is_opened", "entries_read", "test_it_is_opened", "opened_files"])
def test_a_name_of_several_words_is_allowed(name: str) -> None:
    assert names_found(f"def {name}(): ...") == []


def test_a_property_is_allowed() -> None:
    assert names_found("class Store:\n    @property\n    def opened(self): ...") == []
    assert names_found("class Store:\n    @functools.cached_property\n    def opened(self): ...") == []
    assert names_found("class Store:\n    @opened.setter\n    def opened(self, value): ...") == []


def test_a_class_is_reported_unless_it_is_an_exception_or_a_state() -> None:
    assert names_found("class Told: ...") == ["Told"]
    assert names_found("class Parked: ...") == []
    assert names_found("class Failure(Exception): ...\nclass Refused(errors.Failure): ...") == []
    assert names_found("class DeadlineMissed: ...") == []


def test_an_offending_name_is_an_error_that_says_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("def tell(): ...\n\ndef told(): ...\n")
    assert check_names.main(tmp_path) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "src/a.py:3: function told is named by a bare past participle"
    assert hint.startswith("hint: name a function by a verb")


def test_sources_without_offending_names_pass_silently(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("def tell(): ...\n")
    assert check_names.main(tmp_path) == 0
    assert capsys.readouterr() == ("", "")
