"""The text that goes to a witness, letter by letter."""

import pytest

from trenova.errors import VerificationError
from trenova.ledger import submission
from trenova.ledger.submission import Submission

NOTE = b"example.com/log\n3\nAAAA\n\n\xe2\x80\x94 example.com/log AAAA\n"


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (Submission(old=0, path=(), note=NOTE), b"old 0\n\n"),
        (
            Submission(old=2, path=(bytes(32), b"\xff" * 32), note=NOTE),
            b"old 2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n//////////////////////////////////////////8=\n\n",
        ),
    ],
)
def test_a_submission_is_its_old_size_its_proof_an_empty_line_and_the_note(sent: Submission, body: bytes) -> None:
    assert sent.encode() == body + NOTE
    assert submission.parse(body + NOTE) == sent


def test_the_size_in_an_answer_is_a_number_on_a_line() -> None:
    assert submission.parse_size(b"20852014\n") == 20852014
    for body in (b"", b"1", b"01\n", b"-1\n", b"1\n\n", b"9223372036854775808\n", b"\xff\n"):
        with pytest.raises(VerificationError, match="expected its size"):
            submission.parse_size(body)
