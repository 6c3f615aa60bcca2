"""Keys copied from examples protect nothing and are an error."""

from pathlib import Path

import pytest

from trenova.config import SecuritySettings, Settings
from trenova.errors import InvalidConfiguration
from trenova.keys.key import UnusableKeyError, read_secret
from trenova.keys.loading import load_keyring
from trenova.keys.master_key import MasterKeyFile
from trenova.keys.placeholders import is_placeholder
from trenova.keys.signing import load_signer
from trenova.ledger.signing import Signer

OF_THE_GUIDE = [
    "your-32-character-encryption-key-here",
    "your-production-encryption-key",
    "your-staging-encryption-key",
    "your-32-character-key",
]
OF_OUR_PAGES = ["…", "PRIVATE+KEY+localhost:8080/v1/log+…", "wrapped:…", "<key>", "change-me", "'…'"]


@pytest.mark.parametrize("text", [*OF_THE_GUIDE, *OF_OUR_PAGES, "Your_32_Character_Encryption_Key_Here\n"])
def test_a_placeholder_is_recognised(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "correct horse battery staple, and a few more words",
        "your-production-encryption-key-of-the-guide",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ],
)
def test_any_other_text_is_not_a_placeholder(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize("text", [*OF_THE_GUIDE, "wrapped:…"])
@pytest.mark.parametrize("key_format", ["auto", "raw32"])
def test_an_encryption_key_copied_from_the_guide_is_an_error_that_names_the_command_to_make_one(
    text: str, key_format: str
) -> None:
    with pytest.raises(UnusableKeyError) as refused:
        read_secret(text, key_format=key_format)  # type: ignore[arg-type]
    made = "make a key with `trenova keys generate`"
    assert str(refused.value) == f"is the placeholder from the documentation: {made}"


def test_the_error_at_start_names_the_variable_and_not_the_text() -> None:
    environ = {"TEMPORAL_ENCRYPTION_KEY_production": OF_THE_GUIDE[1], "TEMPORAL_ENCRYPTION_KEY": OF_THE_GUIDE[0]}
    with pytest.raises(InvalidConfiguration) as refused:
        load_keyring(SecuritySettings(enableEncryption=True), environ)
    first, second = refused.value.problems
    assert first.startswith("TEMPORAL_ENCRYPTION_KEY: the key is the placeholder from the documentation")
    assert second.startswith("TEMPORAL_ENCRYPTION_KEY_production: the key is the placeholder")
    assert OF_THE_GUIDE[0] not in str(refused.value)


@pytest.mark.parametrize("text", [*OF_OUR_PAGES, "export TRENOVA_SIGNING_KEY='PRIVATE+KEY+localhost:8080/v1/log+…'"])
def test_a_signing_key_copied_from_our_pages_is_an_error(text: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        load_signer(Settings(), {"TRENOVA_SIGNING_KEY": text})
    (problem,) = refused.value.problems
    made = "make a key with `trenova keys generate --signing`"
    assert problem == f"TRENOVA_SIGNING_KEY, line 1: the key is the placeholder from the documentation: {made}"


def test_a_master_key_copied_from_our_pages_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "master").write_text("…\n")
    with pytest.raises(InvalidConfiguration, match="is the placeholder from the documentation"):
        MasterKeyFile(tmp_path / "master")


KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    ("key_id", "line"),
    [
        ("default", f"export TEMPORAL_ENCRYPTION_KEY='{KEY}'\n"),
        ("default", f"TEMPORAL_ENCRYPTION_KEY_default={KEY}"),
        ("eu1", f"export TEMPORAL_ENCRYPTION_KEY_eu1='{KEY}'\r\n"),
        ("eu1", KEY),
    ],
)
def test_a_key_file_holds_the_key_or_the_line_that_sets_it(tmp_path: Path, key_id: str, line: str) -> None:
    (tmp_path / key_id).write_text(line)
    keyring = load_keyring(SecuritySettings(keyFolder=tmp_path), {})
    assert (keyring.keys[key_id].secret, keyring.keys[key_id].form) == (bytes(range(32)), "base64")


def test_a_line_that_sets_another_key_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "eu2").write_text(f"export TEMPORAL_ENCRYPTION_KEY_eu1='{KEY}'\n")
    with pytest.raises(InvalidConfiguration) as refused:
        load_keyring(SecuritySettings(keyFolder=tmp_path), {})
    (problem,) = refused.value.problems
    assert problem.endswith("the key is a line that sets TEMPORAL_ENCRYPTION_KEY_eu1; expected the key eu2")


def test_a_master_key_file_holds_the_key_or_the_line_that_sets_it(tmp_path: Path) -> None:
    (tmp_path / "line").write_text(f"export TEMPORAL_ENCRYPTION_KEY='{KEY}'\n")
    (tmp_path / "bare").write_text(KEY)
    assert MasterKeyFile(tmp_path / "bare").unwrap(MasterKeyFile(tmp_path / "line").wrap(b"k" * 32)) == b"k" * 32


def test_a_signing_key_file_holds_lines_of_both_forms(tmp_path: Path) -> None:
    first, second = (Signer(name="x", seed=bytes([seed] * 32)).secret_text for seed in (1, 2))
    (tmp_path / "keys").write_text(f"export TRENOVA_SIGNING_KEY='{first}'\n{second}\n")
    signer = load_signer(Settings.model_validate({"ledger": {"signingKeyFile": tmp_path / "keys"}}), {})
    assert [secret.seed[0] for secret in signer.secrets] == [1, 2]
