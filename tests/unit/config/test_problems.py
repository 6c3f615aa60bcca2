"""Settings that are wrong: every problem at once, each with its key, value and expectation."""

from pathlib import Path

import pytest

from trenova.config import Settings, load
from unit.config.conftest import problems, write_yaml


def test_every_problem_is_reported_at_once_with_key_value_and_expectation() -> None:
    write_yaml("temporal: {hostPort: 'no port', wrong: 1}\nworker: {maxConcurrentActivityTaskPollers: 0}\nextra: {}")
    reported = problems({"TRENOVA_API__PORT": "http", "TRENOVA_LOG__LEVEL": "loud", "TRENOVA_NO__SUCH": "1"})
    text = "\n".join(reported)
    assert "TRENOVA_NO__SUCH: there is no such setting" in reported
    assert "temporal.wrong: there is no such setting" in reported
    assert "extra: there is no such setting" in reported
    assert "temporal.hostPort: 'no port' given" in text
    assert "worker.maxConcurrentActivityTaskPollers: 0 given" in text
    assert "greater than or equal to 1" in text
    assert "api.port: 'http' given" in text
    assert "log.level: 'loud' given, input should be 'debug', 'info', 'warning' or 'error'" in text
    assert len(reported) == 7


@pytest.mark.parametrize(
    "name",
    [
        "TRENOVA_FOO",
        "TRENOVA_TEMPORAL",  # a section is not a setting
        "TRENOVA_TEMPORAL__SECURITY",
        "TRENOVA_API__PORT__X",
        "TRENOVA_TEMPORAL_HOST_PORT",  # one underscore instead of two
        "TRENOVA_",
    ],
)
def test_an_unknown_variable_is_an_error_that_names_it(name: str) -> None:
    assert problems({name: "1"}) == (f"{name}: there is no such setting",)


@pytest.mark.parametrize(
    "origin",
    [
        "https://temporal.example.com/",
        "https://temporal.example.com:443",
        "http://temporal.example.com:80",
        "https://Temporal.example.com",
        "https://temporal.example.com/namespaces",
        "temporal.example.com",
        "*",
        "null",
    ],
)
def test_an_origin_that_no_browser_sends_is_an_error(origin: str) -> None:
    (problem,) = problems({"TRENOVA_API__CODEC__UI_ORIGINS": f"http://[::1]:8233, {origin}"})
    assert "expected an origin such as https://temporal.example.com" in problem


@pytest.mark.parametrize("text", ["temporal:\n  host_port: a:1\n", "temporal: {hostport: a:1}"])
def test_names_in_yaml_are_exactly_those_that_are_documented(text: str) -> None:
    write_yaml(text)
    (problem,) = problems({})
    assert problem.endswith("there is no such setting")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "expected a mapping at the top, found list"),
        ("just words", "expected a mapping at the top, found str"),
        ("temporal: {hostPort: ", "cannot be read as YAML"),
        ("a: !!python/object/apply:os.system ['true']", "cannot be read as YAML"),
    ],
)
def test_a_file_that_does_not_hold_settings_is_one_error_on_one_line(text: str, words: str) -> None:
    write_yaml(text)
    (problem,) = problems({})
    assert problem.startswith("config/config.yaml: ")
    assert words in problem
    assert "\n" not in problem


def test_a_section_that_is_not_a_mapping_is_an_error() -> None:
    write_yaml("temporal: localhost:7233")
    assert problems({})[0].startswith("temporal: (hidden) given")
    write_yaml("api: 8080")
    assert problems({"TRENOVA_API__PORT": "81"})[0].startswith("api: 8080 given")


@pytest.mark.parametrize(
    ("setting", "variable", "value", "problem"),
    [
        (
            "compressionThreshold",
            "COMPRESSION_THRESHOLD",
            "-1",
            "input should be greater than or equal to 0",
        ),
        ("keyFormat", "KEY_FORMAT", "raw64", "input should be 'auto' or 'raw32'"),
    ],
)
def test_an_impossible_setting_of_the_codec_is_an_error_that_names_it(
    setting: str, variable: str, value: str, problem: str
) -> None:
    expected = f"temporal.security.{setting}: {{}} given, {problem}"
    assert problems({f"TRENOVA_TEMPORAL__SECURITY__{variable}": value}) == (expected.format(repr(value)),)
    write_yaml(f"temporal: {{security: {{{setting}: {value}}}}}")
    assert problems({}) == (expected.format(value if value == "-1" else repr(value)),)


def test_an_empty_file_sets_nothing() -> None:
    write_yaml("# nothing yet\n")
    assert load({}) == Settings()


def test_a_file_that_is_not_text_is_an_error() -> None:
    Path("bin.yaml").write_bytes(b"\xff\xfe\x00")
    (problem,) = problems({}, Path("bin.yaml"))
    assert "bin.yaml: cannot be read as YAML" in problem


def test_a_named_file_must_exist() -> None:
    assert problems({}, Path("missing.yaml")) == ("missing.yaml: no such file",)
    assert problems({"TRENOVA_CONFIG": "missing.yaml"}) == ("missing.yaml: no such file",)


def test_a_folder_is_not_a_file() -> None:
    (problem,) = problems({}, Path())
    assert "cannot be read as YAML" in problem


def test_a_selected_profile_must_exist(home: Path) -> None:
    (problem,) = problems({"TEMPORAL_PROFILE": "missing"})
    assert "TEMPORAL_PROFILE" in problem
    assert "missing" in problem
    (problem,) = problems({"TEMPORAL_CONFIG_FILE": str(home / "missing.toml")})
    assert "TEMPORAL_CONFIG_FILE" in problem
