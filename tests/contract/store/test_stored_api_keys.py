"""API keys as they are stored."""

import hashlib
from typing import Any

import psycopg
import pytest

from trenova.errors import NotFound
from trenova.store import Store
from trenova.store.api_keys import NewApiKey, Role

Owner = psycopg.AsyncConnection[tuple[Any, ...]]


def secret_of(new: NewApiKey) -> str:
    """All of it: the alphabet of secrets has an underscore, too."""
    return new.text.removeprefix(f"trn_{new.id}_")


@pytest.mark.parametrize("role", ["writer", "reader", "admin"])
@pytest.mark.parametrize("of_one_tenant", [True, False])
async def test_a_key_is_found_by_its_text_with_its_tenant_and_role(
    store: Store, tenant: str, role: Role, *, of_one_tenant: bool
) -> None:
    owner_of_key = tenant if of_one_tenant else None
    new = await store.api_keys.create(tenant=owner_of_key, role=role, name="billing", by="test")
    found = await store.api_keys.find(new.text)
    assert found is not None
    assert (found.id, found.tenant, found.role, found.name, found.revoked_at) == (
        new.id,
        owner_of_key,
        role,
        "billing",
        None,
    )


async def test_of_the_secret_only_a_hash_is_stored(store: Store, owner: Owner, tenant: str) -> None:
    new = await store.api_keys.create(tenant=tenant, role="writer", name="billing", by="test")
    secret = secret_of(new)
    assert len(secret) >= 43
    row = await (await owner.execute("SELECT * FROM api_keys WHERE id = %s", [new.id])).fetchone()
    assert row is not None
    assert hashlib.sha256(secret.encode()).digest() in row
    assert not [
        value for value in row if secret in str(value) or (isinstance(value, bytes) and secret.encode() in value)
    ]


async def test_no_repr_shows_the_secret(store: Store, tenant: str) -> None:
    new = await store.api_keys.create(tenant=tenant, role="writer", name="billing", by="test")
    secret = secret_of(new)
    shown = f"{new!r} {new} {await store.api_keys.find(new.text)!r} {await store.api_keys.list()!r}"
    assert new.id in shown
    assert secret not in shown
    assert hashlib.sha256(secret.encode()).hexdigest() not in shown


async def test_a_revoked_key_is_not_found_but_still_listed_with_the_first_time_of_its_revocation(
    store: Store, tenant: str
) -> None:
    new = await store.api_keys.create(tenant=tenant, role="writer", name="billing", by="test")
    await store.api_keys.revoke(new.id, by="test")
    assert await store.api_keys.find(new.text) is None
    (listed,) = [key for key in await store.api_keys.list() if key.id == new.id]
    assert listed.revoked_at is not None
    await store.api_keys.revoke(new.id, by="test")
    assert listed in await store.api_keys.list()


async def test_revoking_an_unknown_key_says_so(store: Store) -> None:
    with pytest.raises(NotFound, match="no API key with the id ffffff"):
        await store.api_keys.revoke("ffffff", by="test")


async def test_texts_that_are_not_keys_are_not_found(store: Store, tenant: str) -> None:
    new = await store.api_keys.create(tenant=tenant, role="writer", name="billing", by="test")
    secret = secret_of(new)
    wrong = [
        "",
        "trn",
        "trn_",
        f"trn_{new.id}",
        f"trn_{new.id}_",
        f"trn_{new.id}_{secret[:-1]}",
        f"trn_{new.id}_{secret}x",
        f"TRN_{new.id}_{secret}",
        f"{new.id}_{secret}",
        f"trn_{'0' * 12}_{secret}",
        f"trn_{new.id}é_{secret}",
        f"trn_{new.id}\0_{secret}",
        f"trn_' OR true --_{secret}",
        "trn_" + "x" * 100_000,
    ]
    assert [text for text in wrong if await store.api_keys.find(text) is not None] == []
