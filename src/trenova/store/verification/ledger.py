"""One ledger put together from its stretches: upper tiles, head, and the root at each checkpoint's size. No I/O."""

from collections.abc import Iterator, Mapping, Sequence

from trenova.domain.verification import DamagedPlace, LedgerVerdict
from trenova.ledger import tiles, tree
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.note import VerifierKey
from trenova.ledger.tiles import WIDTH, Addition
from trenova.ledger.tree import Frontier, fold
from trenova.store.verification.removals import RecordedRemovals
from trenova.store.verification.rows import merge_neighbours
from trenova.store.verification.stretch import CheckedStretch, Claim


class LedgerCheck:
    """A ledger that is being checked, from left to right."""

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
        self.removals: RecordedRemovals | None = None
        """Read before the first stretch."""
        self.stored_frontier = frontier
        self.tile_roots = Frontier()
        """Over the roots of the full tiles so far."""
        self.edge: tuple[bytes, ...] = ()
        """Complete subtrees of the last tile, if it is not full."""
        self.removed = self.checkpoints = self.signed = 0
        self.is_newest_signed = False
        self.checked_until = 0
        self.wrong_claims: list[tuple[Claim, bytes]] = []
        if size is None:
            self.add("head", "a row", "none")
        for claim in self.claims:
            if claim.size > self.size:
                self.add("head", f"{claim.size} entries or more, as {claim.where} says", f"{self.size} entries")

    def stretches(self, length: int) -> Iterator[tuple[int, int]]:
        """First entry and end of each stretch of at most `length` entries."""
        for first in range(0, self.size, length):
            yield first, min(first + length, self.size)

    def add_stretch(self, checked: CheckedStretch) -> list[Addition]:
        """Add the next checked stretch. Returns what the upper tiles must hold for it, for `compare`."""
        assert self.removals is not None
        span = range(self.checked_until, self.checked_until + sum(tile.leaves for tile in checked.tiles))
        self.checked_until = span.stop
        self.places += self.removals.find_unrecorded(self.tenant, checked.removed)
        self.places += self.removals.find_still_there(self.tenant, span, checked.removed)
        self.places += checked.places
        self.removed += len(checked.removed)
        self.checkpoints += checked.checkpoints
        self.signed += len(checked.signed)
        self.is_newest_signed |= self.size in checked.signed
        additions: list[Addition] = []
        for tile in checked.tiles:
            for claim, part in tile.claims:
                root = fold((*self.tile_roots.hashes, part))
                if root != claim.root:
                    self.wrong_claims.append((claim, root))
            if tile.leaves < WIDTH:
                self.edge = tile.frontier.hashes
                continue
            growth = tree.grow(self.tile_roots, tile.frontier.hashes)
            self.tile_roots = growth.frontier
            additions += tiles.additions(growth.runs)
        # The roots of tiles are the leaves of a tree one level higher.
        return [
            Addition(level=one.level + 1, index=one.index, offset=one.offset, hashes=one.hashes) for one in additions
        ]

    def compare(self, additions: Sequence[Addition], stored: Mapping[tuple[int, int], bytes]) -> None:
        """Compare the stored upper tiles with the roots of the tiles below them."""
        for one in additions:
            got = stored.get((one.level, one.index), b"")[one.offset * HASH_BYTES :][: len(one.hashes)]
            if got != one.hashes:
                where = f"tile {one.index} of level {one.level}, hash {one.offset}"
                self.add(where, f"{one.hashes.hex()}, the root of the tile below", got.hex() or "none")

    def add_overdue(self, indexes: Sequence[int]) -> None:
        """Add entries before the position of retention that nothing keeps: the position was set beyond them."""
        expected = f"no content, as retention has reached index {self.position} and nothing keeps it"
        self.places += merge_neighbours(
            DamagedPlace(tenant=self.tenant, place=f"entry {index}", expected=expected, got="a body")
            for index in indexes
        )

    def add(self, place: str, expected: str, got: str) -> None:
        self.places.append(DamagedPlace(tenant=self.tenant, place=place, expected=expected, got=got))

    def verdict(self) -> LedgerVerdict:
        """The verdict after all stretches."""
        if self.stored_frontier != b"".join((*self.tile_roots.hashes, *self.edge)):
            self.add("head", "the frontier of the tree in the tiles", "another")
        if self.size and not self.is_newest_signed:
            names = ", ".join(f"{key.name} ({key.id.hex()})" for key in self.keys) or "a key (none was given)"
            self.add(f"checkpoint {self.size}", f"the newest one, with a valid signature of {names}", "none")
        self.add_wrong_claims()
        return LedgerVerdict(
            tenant=self.tenant,
            size=self.size,
            removed=self.removed,
            checkpoints=self.checkpoints,
            unsigned=self.checkpoints - self.signed,
            places=self.places,
        )

    def add_wrong_claims(self) -> None:
        # A change of the tree spoils each later root: the first says where, the others how many.
        if not self.wrong_claims:
            return
        claim, root = self.wrong_claims[0]
        later = len(self.wrong_claims) - 1
        more = f" (and {later} later ones)" if later else ""
        self.add(f"{claim.where}{more}", f"the root {claim.root.hex()} that was signed", f"{root.hex()} of the tree")
