"""Which tests run in the same process of a run with several.

Whole files, because fixtures of a file and of the session start servers. Files that use the running `trenova dev` form
two groups, so that two processes start one instead of all of them; those that use one with encryption form another.
"""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

USES_DEV = re.compile(r"tests/acceptance/(docs/|test_cli_|test_auditor|test_signing_keys|test_witness)")
USES_ENCRYPTING_DEV = re.compile(r"tests/acceptance/test_(codec_sign_in|encryption_browser|encryption_secrecy)")
GROUPS = 2


def group_of(file: str) -> str:
    """The file itself, or the group of files that it belongs to."""
    if USES_ENCRYPTING_DEV.match(file):
        return "dev with encryption"
    return f"dev {sum(file.encode()) % GROUPS}" if USES_DEV.match(file) else file


def starts_first(item: pytest.Item) -> bool:
    """Whether the test belongs to what takes minutes."""
    return item.get_closest_marker("long") is not None or USES_DEV.match(item.nodeid) is not None


class ByGroup(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        return group_of(super()._split_scope(nodeid))


def make_scheduler(config: pytest.Config, log: Producer) -> ByGroup | None:
    """None where the command line chose another way to distribute tests."""
    return ByGroup(config, log) if config.getoption("dist") == "loadfile" else None
