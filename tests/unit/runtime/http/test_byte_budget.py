import asyncio
from contextlib import ExitStack

import pytest

from trenova.errors import Unavailable
from trenova.runtime.http.byte_budget import REMEMBER_S, ByteBudget, Reservation

ACME, GLOBEX, INITECH = ("tenant", "acme"), ("tenant", "globex"), ("tenant", "initech")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def reading(budget: ByteBudget, reservation: Reservation, size: int) -> None:
    """A body of which so much has come, and the rest never does."""
    async with asyncio.timeout(None) as reservation.reading:
        budget.grow(reservation, size)
        await asyncio.Event().wait()


def test_the_only_request_is_always_admitted() -> None:
    budget = ByteBudget(100)
    with budget.reserve(ACME) as reservation:
        budget.grow(reservation, 80)
        budget.grow(reservation, 80)
    assert (budget.total, dict(budget.held)) == (0, {})


def test_an_announced_length_costs_nothing() -> None:
    budget = ByteBudget(100)
    with budget.reserve(ACME), budget.reserve(ACME), budget.reserve(GLOBEX) as reservation:
        budget.grow(reservation, 100)


def test_a_tenant_that_exhausts_the_budget_is_told_to_try_again() -> None:
    budget = ByteBudget(100)
    with budget.reserve(ACME) as first, budget.reserve(ACME) as second:
        budget.grow(first, 60)
        with pytest.raises(Unavailable):
            budget.grow(second, 60)
        budget.grow(second, 40)


async def test_another_tenant_takes_bytes_back_from_the_largest_unfinished_body() -> None:
    budget = ByteBudget(100)
    with ExitStack() as held:
        large, small, other = (held.enter_context(budget.reserve(share)) for share in (ACME, ACME, GLOBEX))
        tasks = [asyncio.create_task(reading(budget, large, 60)), asyncio.create_task(reading(budget, small, 40))]
        await asyncio.sleep(0)
        budget.grow(other, 30)
        with pytest.raises(TimeoutError):
            await tasks[0]
        assert (large.lost, small.lost, budget.total) == (True, False, 70)
        with pytest.raises(Unavailable):
            budget.grow(large, 1)
        tasks[1].cancel()


async def test_the_caller_that_holds_the_most_takes_nothing_from_others() -> None:
    budget = ByteBudget(100)
    with budget.reserve(ACME) as acme, budget.reserve(GLOBEX) as globex:
        task = asyncio.create_task(reading(budget, globex, 30))
        await asyncio.sleep(0)
        budget.grow(acme, 70)
        with pytest.raises(Unavailable):
            budget.grow(acme, 1)
        assert not globex.lost
        task.cancel()


def test_after_a_caller_was_turned_away_the_others_are_limited_to_equal_shares() -> None:
    """What was read completely cannot be taken back. So who fills the room with it makes room next time."""
    clock = Clock()
    budget = ByteBudget(100, clock)
    with budget.reserve(ACME) as flood:
        budget.grow(flood, 100)
        with budget.reserve(GLOBEX) as other, pytest.raises(Unavailable):
            budget.grow(other, 10)
    with budget.reserve(ACME) as first, budget.reserve(ACME) as second:
        budget.grow(first, 50)
        with pytest.raises(Unavailable):
            budget.grow(second, 1)
        with budget.reserve(GLOBEX) as other:
            budget.grow(other, 50)
        clock.now += REMEMBER_S
        budget.grow(second, 50)


def test_many_tenants_share_the_budget() -> None:
    budget = ByteBudget(90)
    with budget.reserve(ACME) as acme, budget.reserve(GLOBEX) as globex:
        budget.grow(acme, 45)
        budget.grow(globex, 45)
        with budget.reserve(INITECH) as initech, pytest.raises(Unavailable):
            budget.grow(initech, 10)
    with budget.reserve(ACME) as acme, budget.reserve(GLOBEX) as globex, budget.reserve(INITECH) as initech:
        budget.grow(globex, 1)
        budget.grow(acme, 30)
        with budget.reserve(ACME) as more, pytest.raises(Unavailable):
            budget.grow(more, 1)
        budget.grow(initech, 30)
