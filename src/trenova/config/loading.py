"""All sources laid over each other and checked as a whole, with every problem told at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from trenova.config.profile import asks_for_profile, temporal_profile
from trenova.config.sections import Settings
from trenova.config.variables import trenova_variables
from trenova.errors import InvalidConfiguration

DEFAULT_FILE = Path("config/config.yaml")

SECRETS = (
    "database.url",
    "database.ownerUrl",
    "database.operatorUrl",
    "temporal.apiKey",
    "temporal.tls.keyData",
    "temporal.grpcMeta",
)


def load(environ: Mapping[str, str], *, file: Path | None = None) -> Settings:
    """The settings from all sources, or `InvalidConfiguration` with a line for every problem at once.

    `file` (or `TRENOVA_CONFIG`) must exist when it is named; the default file may be absent.
    """
    named = file or (Path(environ["TRENOVA_CONFIG"]) if environ.get("TRENOVA_CONFIG") else None)
    problems: list[str] = []
    asked_for = asks_for_profile(environ)
    tree = {} if asked_for else temporal_profile({}, read_file=True, problems=problems)
    overlay(tree, read_yaml(named or DEFAULT_FILE, must_exist=named is not None, problems=problems))
    overlay(tree, temporal_profile(environ, read_file=asked_for, problems=problems))
    overlay(tree, trenova_variables(environ, problems))
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems += [problem_text(detail) for detail in error.errors(include_url=False, include_context=False)]
    else:
        if not problems:
            return settings
    raise InvalidConfiguration(problems, hint=f"correct it in {named or DEFAULT_FILE} or in the environment")


def overlay(base: dict[str, Any], upper: Mapping[str, Any]) -> None:
    """Lay `upper` over `base` in place; objects are merged, anything else is replaced.

    What stands in `base` where an object belongs stays, for the check to complain of.
    """
    for key, value in upper.items():
        if not isinstance(value, Mapping):
            base[key] = value
        elif base.get(key) is None:
            base[key] = dict(value)
        elif isinstance(base[key], dict):
            overlay(base[key], value)


def read_yaml(file: Path, *, must_exist: bool, problems: list[str]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            problems.append(f"{file}: no such file")
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{file}: cannot be read as YAML: {yaml_complaint(error)}")
        return {}
    if content is None:
        return {}
    if not isinstance(content, dict):
        problems.append(f"{file}: expected a mapping at the top, found {type(content).__name__}")
        return {}
    return content


def yaml_complaint(error: Exception) -> str:
    """What is wrong and where, without the line itself: it may hold a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} at line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())


def problem_text(detail: Any) -> str:
    """One line: the key, the value given (unless it is secret), what was expected."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: there is no such setting"
    given = "(hidden)" if may_hold_secret(key) else repr(detail["input"])
    return f"{key}: {given} given, {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def may_hold_secret(key: str) -> bool:
    """Also a section that was given as something else: `database: postgresql://…` is easily written."""
    return any(f"{secret}.".startswith(f"{key}.") or key.startswith(f"{secret}.") for secret in SECRETS)
