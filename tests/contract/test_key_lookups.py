"""Looking up API keys through a network that swallows what it is given."""

import asyncio

import pytest
from sqlalchemy.engine import make_url

from conftest import GENEROUS_S, Keys
from contract.lossy import LossyProxy
from trenova.api.key_lookups import KeyLookups
from trenova.dev.postgres import Postgres
from trenova.errors import Unavailable
from trenova.store import Store


async def test_a_database_that_falls_silent_is_an_error_for_each_request_and_then_forgotten(
    postgres: Postgres, keys: Keys
) -> None:
    url = make_url(postgres.api_url)
    async with LossyProxy("127.0.0.1", postgres.port).running() as proxy:
        far = url.set(port=proxy.port).render_as_string(hide_password=False)
        async with Store.open(far, pool_size=2) as store, asyncio.timeout(GENEROUS_S):
            lookups = KeyLookups(store, remember_s=0)
            async with lookups.watching():
                first = await lookups.find(keys.reader)
                assert first is not None
                proxy.mode = "lose answers"
                failures = await asyncio.gather(
                    *(lookups.find(key) for key in (keys.reader, keys.writer, "unknown")), return_exceptions=True
                )
                assert all(isinstance(failure, Unavailable) for failure in failures)
                proxy.mode = "pass"
                proxy.cut()
                while lookups.watch.is_unreachable:  # noqa: ASYNC110 - the watch asks once a second
                    await asyncio.sleep(0.05)
                assert await lookups.find(keys.reader) == first


async def test_what_other_callers_ask_meanwhile_is_asked_together(store: Store, keys: Keys) -> None:
    lookups = KeyLookups(store, remember_s=0)
    found = await asyncio.gather(*(lookups.find(key) for key in [keys.reader, "unknown", keys.admin] * 20))
    assert [key and key.role for key in found] == ["reader", None, "admin"] * 20


@pytest.mark.parametrize("key", ["", "trn_", "trn_0_x"])
async def test_what_is_no_key_is_nobodys(store: Store, key: str) -> None:
    assert await KeyLookups(store, remember_s=0).find(key) is None
