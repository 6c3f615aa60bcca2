"""Loading the keys that sign the ledgers: from one source, all of them valid, and never shown."""

from pathlib import Path
from typing import Any

import pytest

from trenova.config import Settings
from trenova.errors import InvalidConfiguration
from trenova.keys.master_key import MasterKeyFile
from trenova.keys.signing import VARIABLE, generate_key, load_signer
from trenova.ledger import note, verify
from trenova.ledger.note import COSIGNATURE
from trenova.ledger.signing import Signer, check

ORIGIN = "audit.example.com/v1/log"
ONE, OTHER = (Signer(name=name, seed=bytes([seed] * 32)) for name, seed in (("one", 1), ("other", 2)))


def settings(**ledger: Any) -> Settings:
    return Settings.model_validate({"ledger": {"origin": ORIGIN, **ledger}})


def problems(settings: Settings, environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as failure:
        load_signer(settings, environ)
    shown = f"{failure.value.message} {failure.value.hint}"
    assert ONE.secret_text.split("+", 4)[4] not in shown
    return failure.value.problems


def test_each_line_is_a_key_that_signs_under_the_origin_of_the_tenant() -> None:
    signer = load_signer(settings(), {VARIABLE: f"{ONE.secret_text}\n\n{OTHER.secret_text}\n"})
    message = signer.sign("acme", size=1, root=bytes(32))
    keys = [key.with_name(f"{ORIGIN}/acme").key for key in (ONE, OTHER)]
    assert signer.keys("acme") == tuple(keys)
    assert set(verify.signatures(note.parse(message), keys=keys, check=check)) == set(keys)
    assert verify.signed_checkpoint(message, origin=f"{ORIGIN}/acme", keys=keys, check=check).size == 1


def test_a_wrapped_key_in_a_file_is_unwrapped(tmp_path: Path) -> None:
    master, file = tmp_path / "master", tmp_path / "keys"
    master.write_text("ab" * 32)
    file.write_text(f"{generate_key('label', MasterKeyFile(master))}\n{ONE.secret_text}\n")
    with_master = settings(signingKeyFile=file).model_copy(
        update={"temporal": Settings.model_validate({"temporal": {"security": {"masterKeyFile": master}}}).temporal}
    )
    wrapped, plain = load_signer(with_master, {}).secrets
    assert plain.seed == ONE.seed
    assert wrapped.seed not in file.read_bytes()
    assert "wrapped key; configure the key service" in problems(settings(signingKeyFile=file), {})[0]


def test_a_new_key_can_be_used_and_no_two_are_the_same() -> None:
    assert load_signer(settings(), {VARIABLE: generate_key(ORIGIN)}).secrets[0].name == ORIGIN
    assert generate_key(ORIGIN) != generate_key(ORIGIN)


def test_without_a_key_the_error_says_how_to_make_one() -> None:
    for environ in ({}, {VARIABLE: ""}):
        with pytest.raises(InvalidConfiguration, match="no signing key") as failure:
            load_signer(settings(), environ)
        assert "trenova keys generate --signing" in (failure.value.hint or "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ONE.secret_text[:-5], "line 1: signing key: expected PRIVATE+KEY"),
        (f"{OTHER.secret_text}\n{ONE.secret_text} x", "line 2: signing key: expected PRIVATE+KEY"),
        (f"{ONE.secret_text}\n{ONE.with_name('again').secret_text}", "contains the same signing key twice"),
        (Signer(name="w", seed=bytes(32), algorithm=COSIGNATURE).secret_text, "line 1: signing key: a witness's key"),
        (" \n", "empty; expected a signing key"),
        ("wrapped:AAAA", "line 1: the key is a wrapped key; configure the key service"),
    ],
)
def test_an_invalid_key_is_reported_with_its_line(text: str, problem: str) -> None:
    (found,) = problems(settings(), {VARIABLE: text})
    assert found.startswith(VARIABLE)
    assert problem in found


def test_keys_in_two_places_and_an_unreadable_file_are_errors(tmp_path: Path) -> None:
    here, gone, binary = tmp_path / "here", tmp_path / "gone", tmp_path / "binary"
    here.write_text(ONE.secret_text)
    binary.write_bytes(b"\xff\xfe")
    assert "keep one of them" in problems(settings(signingKeyFile=here), {VARIABLE: ONE.secret_text})[0]
    assert "No such file" in problems(settings(signingKeyFile=gone), {})[0]
    assert "expected text" in problems(settings(signingKeyFile=binary), {})[0]


def test_nothing_shows_the_secret() -> None:
    signer = load_signer(settings(), {VARIABLE: ONE.secret_text})
    assert ONE.secret_text not in repr(signer)
    assert repr(ONE.seed) not in repr(signer)


@pytest.mark.parametrize("origin", ["", "https://example.com/log", "example.com/log/", "a b", "a+b", "a\nb"])
def test_an_impossible_origin_is_invalid(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        settings(origin=origin)
