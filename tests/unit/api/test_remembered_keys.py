"""Which API keys are remembered, for how long, and which are dropped first."""

import time
from datetime import UTC, datetime

import pytest

from trenova.api.auth import WRITERS
from trenova.api.remembered_keys import RememberedKeys, seconds_since_boot
from trenova.store.api_keys import ApiKey, PresentedKey, Role, parse_key

AT = datetime(2026, 1, 1, tzinfo=UTC)


def text(number: int) -> str:
    return f"trn_{number:012x}_secret-{number}"


def key(number: int, tenant: str | None = "acme", role: Role = "writer") -> ApiKey:
    return ApiKey(id=f"{number:012x}", name="n", tenant=tenant, role=role, created_at=AT, revoked_at=None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def memory(clock: Clock, *, keep_s: float = 60, most: int = 10_000) -> RememberedKeys:
    return RememberedKeys(keep_s, max_keys=most, clock=clock)


def take(kept: RememberedKeys, *keys: ApiKey) -> None:
    asked = [parse_key(text(int(each.id, 16))) for each in keys]
    kept.update(asked, keys, kept.clock())


def test_a_key_stays_valid_for_a_limited_time_after_it_was_last_confirmed(clock: Clock) -> None:
    kept = memory(clock)
    take(kept, key(1))
    clock.now += 50
    take(kept, key(1))
    clock.now += 59
    found = kept.find(parse_key(text(1)))
    assert found is not None
    assert (found.id, found.tenant, found.role) == (key(1).id, "acme", "writer")
    clock.now += 1
    assert kept.find(parse_key(text(1))) is None


def test_a_key_that_a_lookup_found_revoked_is_forgotten(clock: Clock) -> None:
    kept = memory(clock)
    take(kept, key(1))
    kept.update([parse_key(text(1))], [None], clock.now)
    assert kept.find(parse_key(text(1))) is None
    assert not kept.keys
    assert not kept.of_tenant


def test_the_id_alone_neither_authenticates_nor_makes_it_forget_a_key(clock: Clock) -> None:
    kept = memory(clock)
    take(kept, key(1))
    wrong = parse_key(text(1) + "x")
    assert wrong.id == key(1).id
    assert kept.find(wrong) is None
    kept.update([wrong], [None], clock.now)
    assert kept.find(parse_key(text(1))) is not None


def test_a_key_of_another_database_replaces_the_one_with_its_id(clock: Clock) -> None:
    kept = memory(clock)
    take(kept, key(1, "acme"))
    take(kept, key(1, "globex", "reader"))
    found = kept.find(parse_key(text(1)))
    assert found is not None
    assert (found.tenant, found.role) == ("globex", "reader")
    assert list(kept.of_tenant) == ["globex"]


def test_with_0_seconds_nothing_is_kept(clock: Clock) -> None:
    kept = memory(clock, keep_s=0)
    take(kept, key(1))
    assert not kept.keys


def test_the_tenant_with_the_most_keys_loses_those_used_the_longest_ago(clock: Clock) -> None:
    kept = memory(clock, most=1000)
    take(kept, key(1, "small"), *(key(number, "large") for number in range(2, 1001)))
    take(kept, key(2, "large"))
    take(kept, *(key(number, None) for number in range(2000, 2010)))
    assert kept.find(parse_key(text(1))) is not None
    assert kept.find(parse_key(text(2))) is not None
    assert [number for number in range(3, 1001) if kept.find(parse_key(text(number))) is None] == list(range(3, 103))
    assert len(kept.keys) == sum(map(len, kept.of_tenant.values())) == 910


def test_many_tenants_with_one_key_each_are_limited_too(clock: Clock) -> None:
    kept = memory(clock, most=100)
    for number in range(1, 500):
        take(kept, key(number, f"t-{number}"))
    assert len(kept.keys) <= 100
    assert len(kept.of_tenant) == len(kept.keys)
    assert kept.find(parse_key(text(499))) is not None


def test_keys_for_any_tenant_are_not_keys_of_a_tenant_named_none(clock: Clock) -> None:
    kept = memory(clock, most=4)
    take(kept, key(1, None), key(2, "None"), key(3, None), key(4, "None"), key(5, "acme"))
    assert len(kept.keys) == 1


def test_a_suspended_machine_does_not_keep_a_key_valid_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    slept_s = 0
    monkeypatch.setattr(time, "clock_gettime", lambda clock: 100.0 + slept_s * (clock == time.CLOCK_BOOTTIME))
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    kept = RememberedKeys(60)
    assert kept.clock is seconds_since_boot
    take(kept, key(1))
    assert kept.find(parse_key(text(1))) is not None
    slept_s = 60
    assert kept.find(parse_key(text(1))) is None


def test_it_says_whether_a_writer_could_be_authenticated(clock: Clock) -> None:
    kept = memory(clock)
    take(kept, key(1, role="reader"))
    assert not kept.has_any(WRITERS)
    take(kept, key(2, role="admin"))
    assert kept.has_any(WRITERS)
    clock.now += 60
    assert not kept.has_any(WRITERS)


def test_neither_secret_nor_digest_is_shown(clock: Clock) -> None:
    kept = memory(clock)
    take(kept, key(1))
    asked = parse_key(text(1))
    shown = f"{asked!r} {kept.find(asked)!r}"
    assert "secret" not in shown
    assert repr(asked.digest) not in shown
    assert isinstance(asked, PresentedKey)
