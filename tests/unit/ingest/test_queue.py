"""Which entries share a batch, and in whose turn."""

import uuid
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trenova.domain.entry import SealedEntry
from trenova.ingest.queue import BatchLimits, Piece, Queue, Request, split_in_halves

LIMITS = BatchLimits(max_entries=10, max_bytes=1000)
SIZES = st.lists(st.integers(1, 1500), min_size=1, max_size=30)


def request(tenant: str, sizes: list[int]) -> Request:
    return Request([SealedEntry(id=uuid.uuid4(), tenant=tenant, body=b"x" * size) for size in sizes])


def bytes_of(batch: list[SealedEntry]) -> int:
    return sum(len(entry.body) for entry in batch)


@given(st.lists(st.tuples(st.sampled_from("abc"), SIZES), min_size=1, max_size=8))
def test_every_entry_is_sent_once_in_order_and_no_batch_exceeds_its_limits(
    sizes_of_requests: list[tuple[str, list[int]]],
) -> None:
    queue = Queue(LIMITS)
    requests = [request(tenant, sizes) for tenant, sizes in sizes_of_requests]
    for each in requests:
        queue.put(each)
    left: dict[Request, list[SealedEntry]] = {each: [] for each in requests}
    while pieces := queue.take():
        batch = [entry for piece in pieces for entry in piece.entries]
        assert 0 < len(batch) <= LIMITS.max_entries
        assert bytes_of(batch) <= LIMITS.max_bytes or len(batch) == 1
        for piece in pieces:
            left[piece.request] += piece.entries
    assert all(left[each] == list(each.entries) for each in requests)
    assert (queue.waiting_bytes, queue.waiting_entries, len(queue.lanes)) == (0, 0, 0)


@given(st.lists(SIZES, min_size=1, max_size=5).filter(lambda sizes: sum(map(len, sizes)) > 1))
def test_halves_hold_everything_in_order_and_about_as_much(sizes: list[list[int]]) -> None:
    pieces = [Piece(request=request("a", each), begin=0, end=len(each)) for each in sizes]
    whole = [entry for piece in pieces for entry in piece.entries]
    first, second = ([entry for piece in half for entry in piece.entries] for half in split_in_halves(pieces))
    assert first + second == whole
    assert first
    assert second
    assert abs(bytes_of(first) - bytes_of(second)) <= 2 * max(len(entry.body) for entry in whole)


def test_a_flood_of_one_tenant_does_not_delay_the_others() -> None:
    queue = Queue(LIMITS)
    for _ in range(50):
        queue.put(request("flood", [100] * 10))
    queue.put(request("quiet", [100]))
    first, second = queue.take(), queue.take()
    assert Counter(entry.tenant for piece in first for entry in piece.entries) == {"flood": 10}
    assert second[0].entries[0].tenant == "quiet"


def test_small_requests_of_many_tenants_share_a_batch() -> None:
    queue = Queue(LIMITS)
    for tenant in "abcdefgh":
        queue.put(request(tenant, [100]))
    assert len(queue.take()) == 8
    assert queue.take() == []


def test_entries_of_a_cancelled_caller_are_not_sent() -> None:
    queue = Queue(LIMITS)
    cancelled, other = request("a", [100] * 25), request("a", [100])
    queue.put(cancelled)
    queue.put(other)
    assert len(queue.take()[0].entries) == 10
    queue.drop(cancelled)
    queue.drop(cancelled)
    assert (queue.waiting_entries, queue.waiting_bytes) == (1, 100)
    assert [piece.request for piece in queue.take()] == [other]


def test_requests_that_hold_several_tenants_have_a_lane_of_their_own() -> None:
    queue = Queue(LIMITS)
    mixed = Request([*request("a", [1]).entries, *request("b", [1]).entries])
    queue.put(mixed)
    assert list(queue.lanes) == [""]
