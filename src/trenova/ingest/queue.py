"""The queue of entries that wait for a batch, with turns by tenant. No I/O: only order and sizes."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from trenova.domain.entry import SealedEntry
from trenova.tracing import Origin


@dataclass(slots=True, eq=False)
class Request:
    """The entries of one caller, and how many of them are already in batches."""

    entries: Sequence[SealedEntry]
    taken: int = 0
    id: str | None = None
    """Its id in the logs."""
    origin: Origin = None
    """Its span in the traces."""

    @property
    def waiting(self) -> int:
        return len(self.entries) - self.taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Consecutive entries of one request inside a batch: all of it, or a part of a large one."""

    request: Request
    begin: int
    end: int

    @property
    def entries(self) -> Sequence[SealedEntry]:
        return self.request.entries[self.begin : self.end]

    @property
    def is_all(self) -> bool:
        """Whether nothing of the request is outside this piece."""
        return self.end - self.begin == len(self.request.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When a batch is full. An entry larger than `max_bytes` gets its own batch."""

    max_entries: int
    max_bytes: int


@dataclass(slots=True)
class Queue:
    """Requests in lanes, one per tenant. Each batch begins with the next lane, so no tenant waits behind a flood."""

    limits: BatchLimits
    lanes: OrderedDict[str, deque[Request]] = field(default_factory=OrderedDict)
    waiting_bytes: int = 0
    waiting_entries: int = 0

    def put(self, request: Request) -> None:
        self.lanes.setdefault(lane_of(request.entries), deque()).append(request)
        self.waiting_bytes += sum(len(entry.body) for entry in request.entries)
        self.waiting_entries += len(request.entries)

    @property
    def has_full_batch(self) -> bool:
        return self.waiting_bytes >= self.limits.max_bytes or self.waiting_entries >= self.limits.max_entries

    def take(self) -> list[Piece]:
        """The next batch: from the lane whose turn it is, filled up from the lanes after it. Empty if nothing waits."""
        pieces: list[Piece] = []
        room_entries, room_bytes = self.limits.max_entries, self.limits.max_bytes
        for name in list(self.lanes):
            lane = self.lanes[name]
            while lane:
                piece, size = take_piece(lane[0], room_entries, room_bytes, at_least_one=not pieces)
                if piece is None:
                    break
                pieces.append(piece)
                room_entries -= piece.end - piece.begin
                room_bytes -= size
                self.waiting_bytes -= size
                self.waiting_entries -= piece.end - piece.begin
                if not lane[0].waiting:
                    lane.popleft()
            # Served: the lane moves to the end, or is removed if it is empty.
            if lane:
                self.lanes.move_to_end(name)
                return pieces
            del self.lanes[name]
        return pieces

    def drop(self, request: Request) -> None:
        """Drop the waiting entries of a request whose caller has gone or failed."""
        name = lane_of(request.entries)
        lane = self.lanes.get(name)
        if lane is None or request not in lane:
            return
        lane.remove(request)
        self.waiting_bytes -= sum(len(entry.body) for entry in request.entries[request.taken :])
        self.waiting_entries -= request.waiting
        if not lane:
            del self.lanes[name]


def lane_of(entries: Sequence[SealedEntry]) -> str:
    """The tenant; the empty lane for requests that hold several."""
    first = entries[0].tenant
    return first if all(entry.tenant == first for entry in entries) else ""


def take_piece(request: Request, room_entries: int, room_bytes: int, *, at_least_one: bool) -> tuple[Piece | None, int]:
    """Take as much of the request as fits; return it and its bytes. `at_least_one` takes an entry that does not fit."""
    begin = end = request.taken
    size = 0
    for entry in request.entries[begin : begin + room_entries]:
        if size + len(entry.body) > room_bytes and not (at_least_one and end == begin):
            break
        size += len(entry.body)
        end += 1
    if end == begin:
        return None, 0
    request.taken = end
    return Piece(request=request, begin=begin, end=end), size


def split_in_halves(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Two batches of about equal bytes from one of at least two entries. The piece in the middle is divided."""
    entries = [(piece, at) for piece in pieces for at in range(piece.begin, piece.end)]
    sizes = [len(piece.request.entries[at].body) for piece, at in entries]
    # The middle by bytes, with at least one entry on either side.
    middle = 1
    before = sizes[0]
    while middle < len(entries) - 1 and before + sizes[middle] <= sum(sizes) / 2:
        before += sizes[middle]
        middle += 1
    return pieces_of(entries[:middle]), pieces_of(entries[middle:])


def pieces_of(entries: Sequence[tuple[Piece, int]]) -> list[Piece]:
    """Consecutive entries as pieces again, one per request."""
    return [
        Piece(request=request, begin=places[0], end=places[-1] + 1)
        for request, group in groupby(entries, key=lambda entry: entry[0].request)
        for places in [[at for _, at in group]]
    ]
