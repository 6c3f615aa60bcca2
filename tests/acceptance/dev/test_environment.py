"""Which variables of the caller's environment reach the parts of `trenova dev`."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel, SecretStr

from trenova.config import Settings
from trenova.config.variables import ENVIRONMENT_PREFIX, OTHER_VARIABLES
from trenova.dev.environment import own_environment

KEPT = {"TEMPORAL_ENCRYPTION_KEY": "k", "TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "true", "PATH": "p"}


def test_variables_that_point_to_other_servers_are_not_passed_on() -> None:
    foreign = ["PGHOST", "PGOPTIONS", "TEMPORAL_ADDRESS", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_PROFILE"]
    foreign += ["TRENOVA_DATABASE__URL", "TRENOVA_TEMPORAL__TLS__ENABLED", "TRENOVA_TEMPORAL__API_KEY"]
    foreign += ["TRENOVA_LEDGER__WITNESSES", "TRENOVA_LEDGER__PUBLISH_FOLDER", "TRENOVA_API__SPOOL__FOLDER"]
    assert own_environment(KEPT | dict.fromkeys(foreign, "x")) == KEPT


def test_no_secret_of_another_installation_is_passed_on() -> None:
    """Encryption keys are passed on: without them `trenova dev` could not be tested with encryption."""
    secrets = [f"{ENVIRONMENT_PREFIX}{name}" for name in secret_settings(Settings)]
    assert {f"TRENOVA_DATABASE__{name}URL" for name in ("", "OWNER_", "OPERATOR_")} < set(secrets)
    others = OTHER_VARIABLES - {"TRENOVA_CONFIG", "TRENOVA_DATA_DIR"}
    assert own_environment(KEPT | dict.fromkeys([*secrets, *others], "x")) == KEPT


def secret_settings(section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (f"{name}__{below}".upper() for below in secret_settings(kind))
        elif kind is SecretStr or SecretStr in get_args(kind):
            yield name.upper()
