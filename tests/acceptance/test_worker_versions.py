"""A release is tried, made current and rolled back with the commands of the page."""

import asyncio
import subprocess
from pathlib import Path

from acceptance.conftest import BESIDE_PYTHON, entry_of, environment
from acceptance.docs.blocks import CHECKOUT, blocks_of
from acceptance.docs.page_setups import search_path
from acceptance.encrypted import Site, start_site
from conftest import new_tenant
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S

PAGE = CHECKOUT / "docs/deploys.md"
BLOCK = next(block for block in blocks_of(PAGE) if "set-ramping-version" in block.text)
START, *OPERATE = [command.text for command in BLOCK.commands]


def version(build_id: str) -> dict[str, str]:
    """The variables that the page sets for a worker of this version."""
    name, value = START.split()[0].split("=")
    return {name: value, "TRENOVA_WORKER__BUILD_ID": build_id}


async def run_command(site: Site, command: str) -> str:
    """Run a command and return its output; repeated until Temporal knows the version from its worker's first poll."""
    env = environment(PATH=search_path(BESIDE_PYTHON), HOME=str(site.folder), TEMPORAL_ADDRESS=site.temporal.address)
    while True:
        ended = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", command], input="y\n", env=env, capture_output=True, text=True, check=False
        )
        if ended.returncode == 0:
            return str(ended.stdout)
        await asyncio.sleep(0.5)


async def test_the_commands_of_the_page_try_a_release_make_it_current_and_roll_it_back(
    folder: Path, postgres: Postgres
) -> None:
    assert START.split("#")[0].split()[1:] == ["trenova", "worker"]
    tried, made_current, described, rolled_back = OPERATE
    async with (
        asyncio.timeout(3 * LIMIT_S),
        start_site(folder, postgres) as site,
        site.running(["api", "worker"], version("0.1.0")),
        site.running(["worker"], version("0.2.0")),
    ):
        await run_command(site, rolled_back)
        await run_command(site, tried)
        assert routing(await run_command(site, described)) == {"current": "0.1.0", "ramping": "0.2.0"}
        await run_command(site, made_current)
        assert routing(await run_command(site, described)) == {"current": "0.2.0", "ramping": ""}
        await run_command(site, rolled_back)
        assert routing(await run_command(site, described)) == {"current": "0.1.0", "ramping": ""}
        await site.store({**entry_of(), "tenant": new_tenant()})


def routing(description: str) -> dict[str, str]:
    """The current version, and the ramping one, which gets a part of the work."""
    found = dict(line.split(maxsplit=1) for line in description.splitlines() if "VersionBuildID" in line)
    return {"current": found.get("CurrentVersionBuildID", ""), "ramping": found.get("RampingVersionBuildID", "")}
