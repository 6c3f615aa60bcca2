"""What docs/proofs.md and docs/evidence.md say, done."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from trenova.ledger import prove
from trenova.ledger.evidence.verdict import Kind
from trenova.ledger.receipt import Receipt
from unit.ledger.sample_ledgers import SIGNER, sample_ledger

DOCS = Path(__file__).parents[3] / "docs"
VECTOR = Path(__file__).parent / "vectors" / "evidence-v1.ndjson"


def receipts() -> Iterator[tuple[bytes, bytes]]:
    for size, index in ((1, 0), (2, 1), (300, 17), (300, 299), (257, 256), (600, 511)):
        whole = sample_ledger(600)
        salt, body = whole.entries[index]
        path = prove.inclusion(index, size, whole.read)
        yield (
            Receipt(index=index, path=path, checkpoint=whole.signed_checkpoint(size).encode(), salt=salt).encode(),
            body,
        )


def by_hand(receipt: bytes, body: bytes) -> None:
    found = re.search(r"```python\n(.*?)```", (DOCS / "proofs.md").read_text(), re.DOTALL)
    assert found is not None
    # One dictionary for both scopes: the lambdas look names up as globals.
    names: dict[str, Any] = {"receipt": receipt, "body": body, "key": SIGNER.key.text}
    exec(found[1], names)


def test_the_lines_for_checking_by_hand_accept_good_receipts() -> None:
    for receipt, body in receipts():
        by_hand(receipt, body)


def test_the_lines_for_checking_by_hand_reject_everything_else() -> None:
    for receipt, body in receipts():
        with pytest.raises(ValueError, match="does not hold"):
            by_hand(receipt, body + b" ")
    receipt, body = next(receipts())
    with pytest.raises(InvalidSignature):
        by_hand(receipt.replace(b"\n1\n", b"\n2\n"), body)


def test_every_kind_of_damage_is_explained() -> None:
    text = (DOCS / "evidence.md").read_text()
    assert [kind for kind in Kind if f"`{kind}`" not in text] == []


def test_version_1_never_changes() -> None:
    """The checked-in file was written by this code once; it must be written the same, byte for byte, for ever."""
    assert sample_ledger(12).evidence(first=3, count=6, removed=(7,), earlier=(5,)) == VECTOR.read_bytes()
