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


async def reading(room: ByteBudget, hold: Reservation, size: int) -> None:
    """A body of which so much has come, and the rest never does."""
    async with asyncio.timeout(None) as hold.reading:
        room.grow(hold, size)
        await asyncio.Event().wait()


def test_a_request_that_is_alone_is_always_let_in() -> None:
    room = ByteBudget(100)
    with room.hold(ACME) as hold:
        room.grow(hold, 80)
        room.grow(hold, 80)
    assert (room.total, dict(room.held)) == (0, {})


def test_announcing_costs_nothing() -> None:
    room = ByteBudget(100)
    with room.hold(ACME), room.hold(ACME), room.hold(GLOBEX) as hold:
        room.grow(hold, 100)


def test_one_tenant_is_told_to_come_back_when_it_fills_the_room() -> None:
    room = ByteBudget(100)
    with room.hold(ACME) as first, room.hold(ACME) as second:
        room.grow(first, 60)
        with pytest.raises(Unavailable):
            room.grow(second, 60)
        room.grow(second, 40)


async def test_another_tenant_takes_room_back_from_the_largest_body_that_is_still_coming() -> None:
    room = ByteBudget(100)
    with ExitStack() as held:
        large, small, other = (held.enter_context(room.hold(share)) for share in (ACME, ACME, GLOBEX))
        tasks = [asyncio.create_task(reading(room, large, 60)), asyncio.create_task(reading(room, small, 40))]
        await asyncio.sleep(0)
        room.grow(other, 30)
        with pytest.raises(TimeoutError):
            await tasks[0]
        assert (large.lost, small.lost, room.total) == (True, False, 70)
        with pytest.raises(Unavailable):
            room.grow(large, 1)
        tasks[1].cancel()


async def test_who_holds_the_most_takes_nothing_from_others() -> None:
    room = ByteBudget(100)
    with room.hold(ACME) as acme, room.hold(GLOBEX) as globex:
        task = asyncio.create_task(reading(room, globex, 30))
        await asyncio.sleep(0)
        room.grow(acme, 70)
        with pytest.raises(Unavailable):
            room.grow(acme, 1)
        assert not globex.lost
        task.cancel()


def test_while_others_were_turned_away_each_has_an_equal_share() -> None:
    """What was read completely cannot be taken back. So who fills the room with it makes room next time."""
    clock = Clock()
    room = ByteBudget(100, clock)
    with room.hold(ACME) as flood:
        room.grow(flood, 100)
        with room.hold(GLOBEX) as other, pytest.raises(Unavailable):
            room.grow(other, 10)
    with room.hold(ACME) as first, room.hold(ACME) as second:
        room.grow(first, 50)
        with pytest.raises(Unavailable):
            room.grow(second, 1)
        with room.hold(GLOBEX) as other:
            room.grow(other, 50)
        clock.now += REMEMBER_S
        room.grow(second, 50)


def test_many_tenants_share() -> None:
    room = ByteBudget(90)
    with room.hold(ACME) as acme, room.hold(GLOBEX) as globex:
        room.grow(acme, 45)
        room.grow(globex, 45)
        with room.hold(INITECH) as initech, pytest.raises(Unavailable):
            room.grow(initech, 10)
    with room.hold(ACME) as acme, room.hold(GLOBEX) as globex, room.hold(INITECH) as initech:
        room.grow(globex, 1)
        room.grow(acme, 30)
        with room.hold(ACME) as more, pytest.raises(Unavailable):
            room.grow(more, 1)
        room.grow(initech, 30)
