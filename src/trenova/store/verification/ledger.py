"""One log put together from its stretches: upper tiles, head, and the root at the size of every checkpoint. No I/O."""

from collections.abc import Iterator, Mapping, Sequence

from trenova.domain.verification import DamagedPlace, LedgerVerdict
from trenova.ledger import tiles, tree
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.note import VerifierKey
from trenova.ledger.tiles import WIDTH, Addition
from trenova.ledger.tree import Frontier, fold
from trenova.store.verification.removals import Told
from trenova.store.verification.rows import joined
from trenova.store.verification.stretch import Claim, Found


class LedgerCheck:
    """A log that is being checked, from left to right."""

    def __init__(  # noqa: PLR0913 - what is known of it beforehand
        self,
        tenant: str,
        size: int | None,
        frontier: bytes,
        *,
        keys: Sequence[VerifierKey],
        claims: Sequence[Claim],
        position: int = 0,
    ) -> None:
        self.tenant = tenant
        self.size = size or 0
        self.keys = tuple(keys)
        self.claims = tuple(claims)
        self.position = position
        self.places: list[DamagedPlace] = []
        self._kept_frontier = frontier
        self._tiles = Frontier()  # over the roots of the full tiles so far
        self._edge: tuple[bytes, ...] = ()  # complete subtrees of the last tile, if it is not full
        self._removed = self._checkpoints = self._signed = 0
        self._newest_signed = False
        self.told: Told | None = None
        """Of its removals; asked for with the first stretch."""
        self._at = 0
        self._wrong: list[tuple[Claim, bytes]] = []
        if size is None:
            self.add("head", "a row", "none")
        for claim in self.claims:
            if claim.size > self.size:
                self.add("head", f"{claim.size} entries or more, as {claim.where} says", f"{self.size} entries")

    def stretches(self, length: int) -> Iterator[tuple[int, int]]:
        """First entry and end of each stretch of at most `length` entries."""
        for first in range(0, self.size, length):
            yield first, min(first + length, self.size)

    def take(self, found: Found) -> list[Addition]:
        """Add what the next stretch came to. Gives what must stand in the upper tiles by it, for `compare`."""
        assert self.told is not None
        span = range(self._at, self._at + sum(tile.leaves for tile in found.tiles))
        self._at = span.stop
        self.places += self.told.places(self.tenant, found.removed)
        self.places += self.told.still_there(self.tenant, span, found.removed)
        self.places += found.places
        self._removed += len(found.removed)
        self._checkpoints += found.checkpoints
        self._signed += len(found.signed)
        self._newest_signed |= self.size in found.signed
        additions: list[Addition] = []
        for tile in found.tiles:
            for claim, part in tile.claims:
                root = fold((*self._tiles.hashes, part))
                if root != claim.root:
                    self._wrong.append((claim, root))
            if tile.leaves < WIDTH:
                self._edge = tile.frontier.hashes
                continue
            growth = tree.grow(self._tiles, tile.frontier.hashes)
            self._tiles = growth.frontier
            additions += tiles.additions(growth.runs)
        # The roots of tiles are the leaves of a tree one level higher.
        return [
            Addition(level=one.level + 1, index=one.index, offset=one.offset, hashes=one.hashes) for one in additions
        ]

    def compare(self, additions: Sequence[Addition], stored: Mapping[tuple[int, int], bytes]) -> None:
        """Whether the stored upper tiles hold the roots of the tiles below them."""
        for one in additions:
            got = stored.get((one.level, one.index), b"")[one.offset * HASH_BYTES :][: len(one.hashes)]
            if got != one.hashes:
                where = f"tile {one.index} of level {one.level}, hash {one.offset}"
                self.add(where, f"{one.hashes.hex()}, the root of the tile below", got.hex() or "none")

    def add_kept(self, indexes: Sequence[int]) -> None:
        """Entries before the position of retention that nothing keeps: it was set beyond them, and passes them over."""
        expected = f"no content, as retention has come to {self.position} and nothing keeps it"
        self.places += joined(
            [
                DamagedPlace(tenant=self.tenant, place=f"entry {index}", expected=expected, got="a body")
                for index in indexes
            ]
        )

    def add(self, place: str, expected: str, got: str) -> None:
        self.places.append(DamagedPlace(tenant=self.tenant, place=place, expected=expected, got=got))

    def verdict(self) -> LedgerVerdict:
        """What it comes to, after all stretches."""
        if self._kept_frontier != b"".join((*self._tiles.hashes, *self._edge)):
            self.add("head", "the frontier of the tree in the tiles", "another")
        if self.size and not self._newest_signed:
            named = ", ".join(f"{key.name} ({key.id.hex()})" for key in self.keys) or "nobody"
            self.add(f"checkpoint {self.size}", f"the newest one, with a good signature of {named}", "none")
        self._add_wrong()
        return LedgerVerdict(
            tenant=self.tenant,
            size=self.size,
            removed=self._removed,
            checkpoints=self._checkpoints,
            unsigned=self._checkpoints - self._signed,
            places=self.places,
        )

    def _add_wrong(self) -> None:
        # Whatever has changed the tree spoils each root from there on: the first says where, the others how many.
        if not self._wrong:
            return
        claim, root = self._wrong[0]
        more = f" (and {len(self._wrong) - 1} later ones)" if len(self._wrong) > 1 else ""
        self.add(f"{claim.where}{more}", f"the root {claim.root.hex()} that was signed", f"{root.hex()} of the tree")
