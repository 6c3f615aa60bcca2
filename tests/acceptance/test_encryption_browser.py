"""Temporal's real Web UI in a real browser: it shows entries with the codec endpoint, and ciphertext without."""

import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error, Locator, Page, Route, async_playwright

from acceptance.conftest import Dev, EncryptingDev, entry_of, store
from conftest import new_tenant
from waiting import LIMIT_S

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def dev(encrypting_dev: EncryptingDev) -> Dev:
    return encrypting_dev.dev


@asynccontextmanager
async def launch_browser() -> AsyncIterator[Browser]:
    """Run the distribution's Chromium with an empty profile."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "install Chromium: make browser"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*FLAGS], timeout=LIMIT_S * 1000)
        yield browser
        await browser.close()


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


@pytest.fixture(scope="module")
def actor() -> str:
    return f"actor-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def address(dev: Dev, actor: str) -> str:
    """The Web UI's page of the workflow that stored an entry of this actor."""
    with dev.api() as client:
        stored = store(client, {**entry_of(actor={"type": "user", "id": actor}), "tenant": new_tenant()})
    return f"{dev.state['ui_url']}/namespaces/default/workflows/audit-batch-{stored.json()['batch_id']}"


def undecoded_payloads(page: Page) -> Locator:
    """What the Web UI shows of encoded payloads: all of them in base64, or a word above their data.

    Which of the two depends on which of its own requests is answered first.
    """
    encoding = page.get_by_text("YmluYXJ5L2VuY3J5cHRlZA==")  # binary/encrypted
    return encoding.or_(page.get_by_text("Codec Server could not connect")).filter(visible=True).first


async def test_the_web_ui_shows_the_decoded_input(page: Page, address: str, actor: str, tmp_path: Path) -> None:
    await page.goto(address)
    await page.get_by_text(actor).first.wait_for(state="visible")
    await page.screenshot(path=tmp_path / "decoded.png")
    assert "binary/encrypted" not in await page.inner_text("body")


async def test_the_web_ui_shows_only_ciphertext_while_the_endpoint_is_unreachable(
    page: Page, address: str, actor: str
) -> None:
    asked: list[str] = []

    async def answer_unavailable(route: Route) -> None:
        asked.append(route.request.url)
        await route.abort()

    await page.route("**/codec/**", answer_unavailable)
    await page.goto(address)
    await undecoded_payloads(page).wait_for(state="visible")
    assert asked
    assert actor not in await page.content()


async def test_a_page_of_another_origin_cannot_read_through_the_endpoint(page: Page, dev: Dev) -> None:
    ask = """url => fetch(url, {method: 'POST', headers: {'content-type': 'application/json'}, body: '{"payloads":[]}'})
        .then(answer => answer.text())"""
    url = f"{dev.state['api_url']}/codec/decode"
    await page.goto(f"{dev.state['ui_url']}/api/v1/settings")
    assert await page.evaluate(ask, url) == "{}"
    await page.goto("about:blank")
    with pytest.raises(Error, match="Failed to fetch"):
        await page.evaluate(ask, url)
