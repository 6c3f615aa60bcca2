"""The codec endpoint with `authorize: true`, as docs/encryption.md has Temporal's Web UI and CLI use it."""

import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Error, Page
from sqlalchemy.engine import make_url

import preloaded
from acceptance.conftest import BESIDE_PYTHON, Dev, EncryptingDev, User, entry_of, environment, run, store
from acceptance.encrypted import temporal_cli
from acceptance.test_encryption_browser import launch_browser, undecoded_payloads
from conftest import new_tenant
from trenova.api.sessions import COOKIE
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S, until

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs/encryption.md"
HERE = "<!-- run by tests/acceptance/test_codec_sign_in.py -->"


@dataclass(frozen=True, slots=True)
class Site:
    """A `trenova dev`, beside it an API that requires keys, and the workflow that stored an entry of this actor."""

    dev: Dev
    api_url: str
    log: Path
    actor: str
    workflow_id: str

    @property
    def page(self) -> str:
        return f"{self.dev.state['ui_url']}/namespaces/default/workflows/{self.workflow_id}"

    def key(self, folder: Path, *, role: str = "admin") -> tuple[str, str]:
        """A new API key for any tenant: its id and its text."""
        user = User(folder, self.dev.data_dir, "")
        made = user("api-key", "create", "--role", role, "--any-tenant", "--name", "test", "--json").json
        return made["id"], made["key"]

    def revoke(self, folder: Path, key_id: str) -> None:
        assert User(folder, self.dev.data_dir, "")("api-key", "revoke", key_id).exit_code == 0


@pytest.fixture(scope="module")
def site(encrypting_dev: EncryptingDev, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    dev, folder, actor = encrypting_dev.dev, tmp_path_factory.mktemp("guarded"), f"actor-{uuid.uuid4().hex}"
    with guarded_api(dev, folder, encrypting_dev.variables) as url:
        with dev.api() as client:
            stored = store(client, {**entry_of(actor={"type": "user", "id": actor}), "tenant": new_tenant()})
        yield Site(dev, url, folder / "api.log", actor, f"audit-batch-{stored.json()['batch_id']}")


@contextmanager
def guarded_api(dev: Dev, folder: Path, keys: dict[str, str]) -> Iterator[str]:
    """Another API on the same database, which requires keys and allows the origin of `trenova dev`'s Web UI."""
    port = choose()
    variables = {
        "TRENOVA_DATABASE__URL": Postgres(dev.data_dir, port=make_url(dev.state["database_url"]).port).api_url,
        "TRENOVA_TEMPORAL__HOST_PORT": dev.state["temporal_address"],
        "TRENOVA_API__PORT": str(port),
        "TRENOVA_API__CODEC__ENABLED": "true",
        "TRENOVA_API__CODEC__UI_ORIGINS": dev.state["ui_url"],
        **keys,
    }
    with (folder / "api.log").open("wb") as log:
        api = preloaded.start_logging(["api"], environment=environment(**variables), folder=folder, log=log)
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/livez"), (folder / "api.log").read_text)
            yield f"http://127.0.0.1:{port}"
        finally:
            api.terminate()
            api.wait(LIMIT_S)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=LIMIT_S, trust_env=False, verify=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with launch_browser() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1400, "height": 1600})
    context.set_default_timeout(LIMIT_S * 1000)
    yield await context.new_page()
    await context.close()


async def sign_in(page: Page, site: Site, key: str) -> None:
    await page.goto(f"{site.api_url}/codec/sign-in")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Signed in").wait_for(state="visible")


async def set_codec_server(page: Page, endpoint: str) -> None:
    """Set the endpoint in the Web UI's dialog, as the page says."""
    await (
        page.get_by_test_id("data-encoder-status")
        .or_(page.get_by_test_id("data-encoder-status-configured"))
        .or_(page.get_by_test_id("data-encoder-status-success"))
        .first.click()
    )
    await page.get_by_text("Use my browser setting").click()
    await page.locator("#data-encoder-endpoint-input").fill(endpoint)
    await page.get_by_text("Include cross-origin credentials").click()
    await page.get_by_role("button", name="Apply").click()


async def reload_undecoded(page: Page) -> None:
    """Reload the page: the endpoint denies access, and the payloads stay encoded."""
    async with page.expect_response(
        lambda each: "/codec/decode" in each.url and each.status == httpx.codes.UNAUTHORIZED
    ):
        await page.reload()
    await undecoded_payloads(page).wait_for(state="visible")


async def test_an_admin_key_decodes_in_the_web_ui_until_it_is_revoked(page: Page, site: Site, tmp_path: Path) -> None:
    key_id, key = site.key(tmp_path)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    await sign_in(page, site, key)
    (cookie,) = [each for each in await page.context.cookies() if each["name"] == COOKIE]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Strict", "/")
    await page.goto(site.page)
    await page.get_by_text(site.actor).first.wait_for(state="visible")  # through the endpoint of `trenova dev`
    await set_codec_server(page, f"{site.api_url}/codec")
    await page.reload()
    await page.get_by_text(site.actor).first.wait_for(state="visible")
    assert [each for each in addresses if each.startswith(f"{site.api_url}/codec/decode")]
    site.revoke(tmp_path, key_id)
    await reload_undecoded(page)
    assert site.actor not in await page.content()
    await sign_in(page, site, site.key(tmp_path)[1])
    await page.goto(site.page)
    await page.get_by_text(site.actor).first.wait_for(state="visible")
    secret = key.split("_", 2)[2]  # which may contain an underscore
    assert not [each for each in addresses if secret in each]
    assert secret not in site.log.read_text()
    assert secret not in json.dumps(await page.context.storage_state())


async def test_without_a_session_the_web_ui_shows_ciphertext(page: Page, site: Site) -> None:
    await page.goto(site.page)
    await set_codec_server(page, f"{site.api_url}/codec")
    await reload_undecoded(page)
    assert site.actor not in await page.content()


async def test_another_page_on_this_machine_cannot_use_the_session(page: Page, site: Site, tmp_path: Path) -> None:
    """It is on the same site, so the browser sends the cookie; but its origin is not allowed to call."""
    await sign_in(page, site, site.key(tmp_path)[1])
    ask = """url => fetch(url, {method: 'POST', credentials: 'include', headers: {'content-type': 'application/json'},
        body: '{"payloads":[]}'}).then(answer => answer.text())"""
    url = f"{site.api_url}/codec/decode"
    await page.goto(f"{site.dev.state['ui_url']}/api/v1/settings")
    assert await page.evaluate(ask, url) == "{}"
    await page.goto(f"{site.dev.state['api_url']}/livez")
    with pytest.raises(Error, match="Failed to fetch"):
        await page.evaluate(ask, url)


def test_temporals_command_line_decodes_as_the_page_says_and_not_without_a_key(site: Site, tmp_path: Path) -> None:
    (block,) = re.findall(rf"^{HERE}\n```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    script = block.replace("https://audit.example.com", site.api_url).replace("audit-batch-…", site.workflow_id)
    where = {
        "PATH": f"{BESIDE_PYTHON}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),  # without the profile of the user who runs the tests
        "USER": "operator",
        "TRENOVA_DATA_DIR": str(site.dev.data_dir),
        "TEMPORAL_ADDRESS": site.dev.state["temporal_address"],
    }
    read = run(["bash", "-euc", script], tmp_path, **where)
    assert site.actor in read.out, read
    words = ["workflow", "show", "--detailed", "--workflow-id", site.workflow_id]
    through = ["--codec-endpoint", f"{site.api_url}/codec"]
    for auth in ([], ["--codec-auth", f"Bearer {site.key(tmp_path, role='reader')[1]}"]):
        refused = temporal_cli(where["TEMPORAL_ADDRESS"], tmp_path, *words, *through, *auth)
        assert site.actor not in refused.out + refused.err
