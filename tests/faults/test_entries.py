"""The content of an entry follows from its place in the run, and the place from its id."""

import uuid

import pytest
from chaos import entries
from chaos.entries import Place

PLACES = [Place(0, 0, 0), Place(7, 123_456, 249), Place(4095, (1 << 42) - 1, (1 << 20) - 1)]


@pytest.mark.parametrize("place", PLACES)
def test_an_id_encodes_its_place(place: Place) -> None:
    id_ = entries.id_of(5, place)
    assert (id_.version, id_.variant) == (8, uuid.RFC_4122)
    assert entries.place_of(5, id_) == place


def test_an_id_of_another_run_or_of_no_run_has_no_place() -> None:
    assert entries.place_of(5, entries.id_of(6, PLACES[0])) is None
    assert entries.place_of(5, uuid.uuid4()) is None


def test_two_places_have_different_content() -> None:
    made = {entries.stored_bytes(5, "t", Place(0, request, at)) for request in range(20) for at in range(50)}
    assert len(made) == 1000


def test_some_entries_are_large_and_most_are_small() -> None:
    sizes = [len(entries.stored_bytes(5, "t", Place(0, request, at))) for request in range(40) for at in range(250)]
    large = [size for size in sizes if size > 15_000]
    assert 0 < len(large) < len(sizes) / 100
    assert max(size for size in sizes if size not in large) < 1_000
