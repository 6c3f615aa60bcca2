"""The `TRENOVA_…` variables, as a tree of settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from trenova.config.sections import Settings

ENVIRONMENT_PREFIX = "TRENOVA_"
# Variables with our prefix that are not settings of the server processes.
OTHER_VARIABLES = frozenset(
    {"TRENOVA_CONFIG", "TRENOVA_DATA_DIR", "TRENOVA_API_URL", "TRENOVA_API_KEY", "TRENOVA_SIGNING_KEY"}
)


def trenova_variables(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """`TRENOVA_A__B_C=x` as `{"a": {"bC": "x"}}`. An empty value means that the setting is not set."""
    tree: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in OTHER_VARIABLES or environ[name] == "":
            continue
        keys = setting_path(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
        if keys is None:
            problems.append(f"{name}: there is no such setting")
            continue
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
        branch[keys[-1]] = environ[name]
    return tree


def setting_path(words: list[str]) -> list[str] | None:
    """The YAML keys for a variable's lower-case words, or None if there is no such setting (a leaf)."""
    section: type[BaseModel] | None = Settings
    keys: list[str] = []
    for word in words:
        field = section.model_fields.get(word) if section else None
        if field is None:
            return None
        keys.append(field.alias or word)
        kind = field.annotation
        section = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return keys if section is None else None
