"""Settings: no secret in any message."""

from pathlib import Path

import pytest

from trenova.config import load
from unit.config.conftest import SECRET, problems, write_profiles, write_yaml

SECRETS = {
    "TRENOVA_DATABASE__URL": f"postgresql://u:{SECRET}@h/d",
    "TRENOVA_TEMPORAL__API_KEY": SECRET,
    "TRENOVA_TEMPORAL__TLS__KEY_DATA": SECRET,
}


def test_printed_settings_show_no_secret() -> None:
    settings = load(SECRETS)
    assert settings.database.url is not None
    assert SECRET in settings.database.url.get_secret_value()
    assert SECRET not in repr(settings)
    assert SECRET not in repr(load({"TEMPORAL_GRPC_META_AUTHORIZATION": SECRET}))
    assert SECRET not in str(settings)
    assert SECRET not in settings.model_dump_json()


@pytest.mark.parametrize(
    "secret",
    [
        "database: {url: [%s]}",
        "database: {ownerUrl: [%s]}",
        "database: {operatorUrl: [%s]}",
        "temporal: {apiKey: [%s]}",
        "temporal: {tls: {keyData: [%s]}}",
        "temporal: {grpcMeta: %s}",
        "temporal: {grpcMeta: {authorization: [%s]}}",
    ],
)
def test_no_secret_of_the_wrong_type_is_in_a_message(secret: str) -> None:
    write_yaml(secret % SECRET)
    (problem,) = problems({})
    assert "(hidden) given" in problem
    assert SECRET not in problem


@pytest.mark.parametrize("text", ["database: %s", "database: [%s]", "temporal: %s", "temporal: {tls: %s}"])
def test_no_secret_in_the_wrong_place_is_in_a_message(text: str) -> None:
    """A section replaced by its secret, as a lost indentation does."""
    write_yaml(text % f"postgresql-u-{SECRET}")
    (problem,) = problems({})
    assert SECRET not in problem


def test_no_secret_beside_a_broken_setting_is_in_a_message() -> None:
    reported = problems({**SECRETS, "TRENOVA_API__PORT": "x"})
    assert SECRET not in "".join(reported)


@pytest.mark.parametrize("url", ["'postgresql://u:%s@h/d", "postgresql://u:%s@h: d", "@%s"])
def test_the_error_for_broken_yaml_names_the_place_but_quotes_nothing(url: str) -> None:
    write_yaml(f"database:\n  url: {url % SECRET}\n")
    (problem,) = problems({})
    assert SECRET not in problem
    assert " at line " in problem


def test_the_error_for_broken_toml_names_the_place_but_quotes_nothing(home: Path) -> None:
    write_profiles(home, f'[profile.default]\napi_key = "{SECRET}\n')
    (problem,) = problems({"PATH": "/bin"})
    assert SECRET not in problem
    assert "at line 2" in problem
    assert "\n" not in problem
