"""What the documentation lists is compared with what there is."""

import re

from pydantic import BaseModel
from typer.main import get_command

from acceptance.docs.blocks import CHECKOUT
from trenova.cli.main import app
from trenova.config import Settings


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
