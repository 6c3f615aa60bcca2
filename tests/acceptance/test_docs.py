"""What the documentation tells a reader to type is typed here, and what it lists is compared with what there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.main import get_command

from acceptance.conftest import BESIDE_PYTHON, LIMIT_S, Dev, environment
from trenova.cli.main import app
from trenova.config import Settings

CHECKOUT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# make's own targets are what runs these tests.
NOT_TYPED = re.compile(r"^make ", re.MULTILINE)


def blocks(page: str) -> list[str]:
    return [block for block in BLOCK.findall((CHECKOUT / page).read_text()) if not NOT_TYPED.search(block)]


@pytest.mark.parametrize("page", ["README.md", "docs/import.md"])
def test_the_commands_of_a_page_work_one_after_the_other(page: str, dev: Dev, tmp_path: Path) -> None:
    state = dev.state
    shutil.copytree(CHECKOUT / "examples", tmp_path / "examples")
    script = "set -euo pipefail\n" + "\n".join(blocks(page))
    # The page has the default addresses; this run has its own.
    script = script.replace("http://127.0.0.1:8080", state["api_url"])
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment(
            PATH=f"{BESIDE_PYTHON}:/usr/local/bin:/usr/bin:/bin",
            HOME=str(tmp_path),
            TRENOVA_DATA_DIR=str(dev.data_dir),
            TEMPORAL_ADDRESS=state["temporal_address"],
        ),
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout.decode() + ended.stderr.decode()


def test_the_readme_story_ends_with_the_stored_entry(dev: Dev) -> None:
    sent = next(block for block in blocks("README.md") if "curl" in block)
    assert json.loads(re.findall(r"-d '(.*?)'", sent, re.DOTALL)[0])["action"] == "shipment.update"


def leaves(section: type[BaseModel], path: str = "") -> list[str]:
    found: list[str] = []
    for name, field in section.model_fields.items():
        key = f"{path}{field.alias or name}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += leaves(kind, f"{key}.")
        else:
            found.append(key)
    return found


def test_every_setting_has_a_row_in_the_documentation() -> None:
    page = (CHECKOUT / "docs/configuration.md").read_text()
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    missing = [key for key in leaves(Settings) if f"`{key}`" not in rows and f"`{key.rpartition('.')[2]}`" not in rows]
    assert missing == []


def test_every_command_is_named_in_the_documentation() -> None:
    pages = "\n".join(path.read_text() for path in [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")])
    commands = get_command(app).list_commands(None)  # type: ignore[attr-defined]
    assert [name for name in commands if not re.search(rf"`?(trenova )?{name}\b", pages)] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md"), CHECKOUT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
