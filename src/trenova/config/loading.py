"""Merges all sources of settings and validates the result as a whole, reporting every problem at once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from trenova.config.profile import asks_for_profile, temporal_profile
from trenova.config.sections import Settings
from trenova.config.variables import trenova_variables
from trenova.errors import InvalidConfiguration

DEFAULT_FILE = Path("config/config.yaml")


def load(environ: Mapping[str, str], *, file: Path | None = None) -> Settings:
    """The settings from all sources. Raises InvalidConfiguration with one line per problem.

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
    """Merge `upper` into `base` in place: objects are merged, other values replaced.

    A wrong value of `base` where an object belongs stays, so that the validation reports it.
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
    """The problem and its position, without the line itself, which may hold a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} at line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())


def problem_text(detail: Any) -> str:
    """One line: the key, its value unless that may be secret, and what was expected."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: there is no such setting"
    value = "(hidden)" if may_hold_secret(key) else repr(detail["input"])
    return f"{key}: {value} given, {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def may_hold_secret(key: str) -> bool:
    """Whether the key is a secret, in one, or a section with one: `database: postgresql://…` is easily written."""
    return any(f"{secret}.".startswith(f"{key}.") or key.startswith(f"{secret}.") for secret in secret_keys(Settings))


def secret_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys whose type holds a SecretStr."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if holds_secret(field.annotation):
            yield key
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from secret_keys(field.annotation, f"{key}.")


def holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(holds_secret(each) for each in get_args(annotation))
