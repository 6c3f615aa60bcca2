"""The tree in the module's docstring is that of its classes."""

import re

from trenova import errors
from trenova.client import ApiError

LINE = re.compile(r"^((?:[│ ]   )*)[├└]── (\S+)", re.MULTILINE)
ELSEWHERE = {"client.ApiError": ApiError}


def tree_in_docstring() -> dict[type[Exception], type[Exception]]:
    """Each class of the tree and its parent. A line that is not a class only groups those below it."""
    found: dict[type[Exception], type[Exception]] = {}
    above: list[type[Exception]] = [errors.TrenovaError]
    for match in LINE.finditer(errors.__doc__ or ""):
        depth, name = len(match[1]) // 4, match[2]
        kind = ELSEWHERE.get(name) or getattr(errors, name, None)
        del above[depth + 1 :]
        if kind is not None:
            found[kind] = above[-1]
        above.append(kind or above[-1])
    return found


def test_the_tree_names_every_error_and_its_base() -> None:
    tree = tree_in_docstring()
    assert {kind: kind.__base__ for kind in tree} == tree
    ours = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TrenovaError) and kind is not errors.TrenovaError
    }
    assert tree.keys() == {*ours, ApiError}


def test_the_texts_of_an_error_name_the_setting_of_the_databases_address() -> None:
    setting = errors.DATABASE_SETTING
    error = errors.InvalidConfiguration([f"{setting}: no address"], hint=f"set {setting}")
    assert (error.problems, error.hint) == (("database.url: no address",), "set database.url")
    error.database_setting = "database.ownerUrl"
    assert (error.problems, error.hint) == (("database.ownerUrl: no address",), "set database.ownerUrl")
    assert error.message == str(error) == "invalid configuration: database.ownerUrl: no address"
