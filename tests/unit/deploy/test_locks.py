"""What the image installs: everything that the program needs, at the versions that are tested, and no more."""

import re
import tomllib
from typing import Any

import pytest

from unit.deploy.files import CHECKOUT, DEPLOY

PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z0-9,-]+\])?==([^ ;]+)", re.MULTILINE)
LOCKS = ("run.txt", "otel.txt", "build.txt")


def project() -> Any:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((CHECKOUT / "requirements" / lock).read_text()))


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=; ]", requirement)[0]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_image_has_the_versions_that_the_tests_have(lock: str) -> None:
    tested = pins("dev.txt")
    assert pins(lock)
    assert {name: version for name, version in pins(lock).items() if tested[name] != version} == {}


@pytest.mark.parametrize("lock", [*LOCKS, "dev.txt", "bench.txt"])
def test_every_package_is_locked_with_its_hashes_and_no_address(lock: str) -> None:
    text = (CHECKOUT / "requirements" / lock).read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pins(lock))


def test_the_image_has_all_that_the_program_needs_and_no_server_or_test_tool() -> None:
    assert {name_of(each) for each in project()["project"]["dependencies"]} <= pins("run.txt").keys()
    servers = project()["project"]["optional-dependencies"]["dev"]
    traces = project()["project"]["optional-dependencies"]["otel"]
    assert {name_of(each) for each in traces} <= pins("otel.txt").keys()
    assert pins("run.txt").items() <= pins("otel.txt").items()
    for each in [*servers, "opentelemetry-sdk", "pytest", "mypy", "ruff", "hatchling"]:
        assert name_of(each) not in pins("run.txt")


def test_every_install_of_the_container_file_asks_for_hashes_or_takes_our_own_wheel() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    installs = re.findall(r"pip install [^\\\n]*", text)
    assert len(installs) == 3
    assert [each for each in installs if "--require-hashes" not in each and "--no-deps" not in each] == []
