"""Browser sessions: which process accepts them, and when they end."""

import base64
import string
from dataclasses import dataclass, replace

import pytest

from trenova.api import sessions
from trenova.api.sessions import IDLE_S, MAX_AGE_S, RENEWED_AFTER_S, Sessions, sessions_of
from trenova.keys.key import Key
from trenova.keys.keyring import Keyring
from trenova.store.api_keys import PresentedKey, parse_key

KEY = parse_key("trn_0123456789ab_secret")
LETTERS = string.ascii_letters + string.digits + "-_"


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ring(*ids: str, encrypting: str | None = None) -> Keyring:
    keys = {each: Key(id=each, secret=each.encode().ljust(32, b"."), form="hex", source="test") for each in ids}
    return Keyring(keys=keys, encrypting_id=encrypting)


def of(clock: Clock, *ids: str, encrypting: str | None = None) -> Sessions:
    return replace(sessions_of(ring(*ids, encrypting=encrypting)), clock=clock)


def test_every_process_with_the_keys_accepts_a_session(clock: Clock) -> None:
    """Also between the steps of a key rotation, whichever key encrypts."""
    text = (one := of(clock, "old", "new", encrypting="old")).seal(one.open(KEY))
    session = of(clock, "new", "old", encrypting="new").read(text)
    assert session is not None
    assert session.key == KEY
    assert of(clock, "new", encrypting="new").read(text) is None


def test_a_cookie_with_a_changed_last_character_opens_nothing(clock: Clock) -> None:
    ours = of(clock, "k")
    text = ours.seal(ours.open(KEY))
    assert [letter for letter in LETTERS if ours.read(text[:-1] + letter)] == [text[-1]]


def test_without_encryption_keys_only_one_process_accepts_a_session(clock: Clock) -> None:
    one, other = of(clock), of(clock)
    text = one.seal(one.open(KEY))
    assert one.read(text) is not None
    assert other.read(text) is None


def test_a_session_ends_after_half_an_hour_without_use_and_after_eight_hours_in_any_case(clock: Clock) -> None:
    ours = of(clock, "k")
    began = clock.now
    text = ours.seal(ours.open(KEY))
    while clock.now < began + MAX_AGE_S - IDLE_S:
        clock.now += IDLE_S - 1
        session = ours.read(text)
        assert session is not None
        renewed = ours.renew(session)
        assert renewed is not None
        text = ours.seal(renewed)
    clock.now = began + MAX_AGE_S - 1
    assert ours.read(text) is not None
    clock.now = began + MAX_AGE_S
    assert ours.read(text) is None
    idle = ours.seal(ours.open(KEY))
    clock.now += IDLE_S
    assert ours.read(idle) is None


def test_a_cookie_is_renewed_once_a_minute_and_lives_no_longer_than_the_session(clock: Clock) -> None:
    ours = of(clock, "k")
    session = ours.open(KEY)
    assert ours.renew(session) is None
    clock.now += RENEWED_AFTER_S
    assert ours.renew(session) is not None
    assert f"; Path=/; Max-Age={IDLE_S}; Secure; HttpOnly; SameSite=Strict" in ours.cookie(session)
    late = replace(session, used_at=session.opened_at + MAX_AGE_S - 60)
    assert "; Max-Age=60; " in ours.cookie(late)


def test_no_byte_of_a_cookie_can_be_changed_and_it_contains_nothing_of_the_key(clock: Clock) -> None:
    ours = of(clock, "k")
    text = ours.seal(ours.open(KEY))
    data = base64.urlsafe_b64decode(text + "==")
    assert KEY.id.encode() not in data
    assert KEY.digest not in data
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert ours.read(base64.urlsafe_b64encode(changed).decode().rstrip("=")) is None


@pytest.mark.parametrize("text", ["", "x", "=", "é" * 8, "A" * 20, "A" * 100, "A" * 5000, "a b", "\n", '"quoted"'])
def test_a_text_that_is_not_a_session_opens_none(clock: Clock, text: str) -> None:
    assert of(clock, "k").read(text) is None


def test_the_repr_of_sessions_contains_no_secret(clock: Clock) -> None:
    ours = of(clock, "k")
    assert "secrets" not in repr(ours)
    assert repr(KEY) == f"PresentedKey({KEY.id!r})"
    assert KEY.digest.hex() not in repr(ours.open(PresentedKey(*KEY)))


def test_the_cookie_is_for_one_host_and_https_only() -> None:
    assert sessions.COOKIE.startswith("__Host-")
