"""The command line of `make bench`."""

import pytest
from benchmarks import arguments


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ("compare", False)),
        (["--quick"], ("compare", True)),
        (["compare", "--quick"], ("compare", True)),
        (["scaling"], ("scaling", False)),
        (["filled", "--rows", "1000000", "--rounds", "3"], ("filled", False)),
    ],
)
def test_the_first_word_is_the_measurement_and_the_comparison_is_the_default(
    given: list[str], expected: tuple[str, bool]
) -> None:
    options = arguments.parse(given)
    assert (options.command, options.quick) == expected


def test_every_measurement_has_every_option_or_its_default() -> None:
    for command in arguments.COMMANDS:
        options = arguments.parse([command])
        assert (options.rounds, options.entries, options.rows, options.quick) == (None, None, None, False)
        assert str(options.out) == "benchmarks/results"


@pytest.mark.parametrize(
    "given",
    [
        ["scaling", "pollers"],
        ["--scaling"],
        ["--quick", "--scaling"],
        ["trees", "--quick"],
        ["compare", "--rounds", "0"],
    ],
)
def test_two_measurements_or_an_option_that_does_not_apply_are_an_error(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments.parse(given)
    assert ended.value.code == 2
    assert "usage: bench" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--help"], *([name, "--help"] for name in arguments.COMMANDS)])
def test_the_help_names_what_can_be_measured(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments.parse(given)
    assert ended.value.code == 0
    out = capsys.readouterr().out
    if given == ["--help"]:
        assert all(f"    {name}" in out for name in arguments.COMMANDS)
        assert "examples:" in out
