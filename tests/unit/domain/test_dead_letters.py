"""Dead letters in memory."""

import uuid
from datetime import UTC, datetime

from trenova.domain.dead_letters import DeadLetter


def test_the_representation_of_a_dead_letter_shows_neither_body_nor_reason() -> None:
    now = datetime.now(UTC)
    letter = DeadLetter(
        id=uuid.uuid4(),
        state="parked",
        batch_id="batch",
        ordinal=0,
        code="23514",
        reason="secret",
        attempts=1,
        parked_at=now,
        tried_at=now,
        body=b"secret",
    )
    assert str(letter.id) in repr(letter)
    assert "secret" not in repr(letter)
