"""The text that goes to a witness, letter by letter."""

import pytest

from trenova.errors import VerificationError
from trenova.ledger import add_checkpoint
from trenova.ledger.add_checkpoint import AddCheckpointRequest

NOTE = b"example.com/log\n3\nAAAA\n\n\xe2\x80\x94 example.com/log AAAA\n"


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (AddCheckpointRequest(old=0, path=(), note=NOTE), b"old 0\n\n"),
        (
            AddCheckpointRequest(old=2, path=(bytes(32), b"\xff" * 32), note=NOTE),
            b"old 2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n//////////////////////////////////////////8=\n\n",
        ),
    ],
)
def test_a_request_is_old_size_proof_empty_line_and_note(sent: AddCheckpointRequest, body: bytes) -> None:
    assert sent.encode() == body + NOTE
    assert add_checkpoint.parse(body + NOTE) == sent


def test_the_size_in_an_answer_is_a_number_on_a_line() -> None:
    assert add_checkpoint.parse_size(b"20852014\n") == 20852014
    for body in (b"", b"1", b"01\n", b"-1\n", b"1\n\n", b"9223372036854775808\n", b"\xff\n"):
        with pytest.raises(VerificationError, match="expected a size"):
            add_checkpoint.parse_size(body)
