import base64
from pathlib import Path

import pytest

from trenova.config import SecuritySettings
from trenova.errors import InvalidConfiguration
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring
from trenova.keys.master_key import MasterKeyFile

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = bytes(range(50, 82)).hex()
ON = SecuritySettings(enableEncryption=True)


def problems(security: SecuritySettings, environ: dict[str, str], folder: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as caught:
        load_keyring(security.model_copy(update={"key_folder": folder}), environ)
    assert "trenova keys generate" in (caught.value.hint or "")
    for text in environ.values():
        assert not text or text not in str(caught.value)
    return caught.value.problems


def test_the_bare_variable_is_the_key_default() -> None:
    keyring = load_keyring(ON, {"TEMPORAL_ENCRYPTION_KEY": KEY, "PATH": "/bin", "TEMPORAL_ENCRYPTION": "x"})
    assert keyring.ids == ("default",)
    assert keyring.encrypting_id == "default"
    assert keyring.keys["default"].secret == bytes(range(32))


def test_many_ids_decrypt_and_one_encrypts() -> None:
    environ = {"TEMPORAL_ENCRYPTION_KEY": KEY, "TEMPORAL_ENCRYPTION_KEY_2026": OTHER}
    keyring = load_keyring(SecuritySettings(enableEncryption=True, encryptionKeyID="2026"), environ)
    assert keyring.ids == ("2026", "default")
    assert keyring.encrypting_id == "2026"


def test_a_mistyped_id_never_falls_back_to_another_key() -> None:
    mistyped = SecuritySettings(enableEncryption=True, encryptionKeyID="defualt")
    (problem,) = problems(mistyped, {"TEMPORAL_ENCRYPTION_KEY": KEY})
    assert problem == (
        "encryptionKeyID: 'defualt'; expected a configured key (default), or set TEMPORAL_ENCRYPTION_KEY_defualt"
    )


def test_encryption_without_any_key_does_not_start() -> None:
    (problem,) = problems(ON, {})
    assert problem == "encryptionKeyID: 'default'; expected a configured key (none), or set TEMPORAL_ENCRYPTION_KEY"


def test_ids_are_case_sensitive() -> None:
    assert problems(ON, {"TEMPORAL_ENCRYPTION_KEY_DEFAULT": KEY})


def test_the_two_variables_of_default_together_are_invalid() -> None:
    (problem,) = problems(ON, {"TEMPORAL_ENCRYPTION_KEY": KEY, "TEMPORAL_ENCRYPTION_KEY_default": KEY})
    assert problem == (
        "the key ID default is defined twice, by TEMPORAL_ENCRYPTION_KEY and TEMPORAL_ENCRYPTION_KEY_default; keep one"
    )


def test_an_id_in_the_environment_and_in_a_file_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "default").write_text(KEY)
    (problem,) = problems(ON, {"TEMPORAL_ENCRYPTION_KEY": KEY}, tmp_path)
    assert str(tmp_path / "default") in problem
    assert "defined twice" in problem


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("0123456789\n")
    (tmp_path / "binary").write_bytes(b"\xff" * 32)
    (tmp_path / "big").write_text("x" * 5000)
    (tmp_path / "folder").mkdir()
    (tmp_path / "two words").write_text(KEY)
    security = SecuritySettings(enableEncryption=True, encryptionKeyID="gone")
    environ = {
        "TEMPORAL_ENCRYPTION_KEY_empty": "",
        "TEMPORAL_ENCRYPTION_KEY_": KEY,
        "TEMPORAL_ENCRYPTION_KEY_spaced": KEY + " ",
        "TEMPORAL_ENCRYPTION_KEY_latin": "\udcff" * 40,
        "TEMPORAL_ENCRYPTION_KEY_locked": "wrapped:" + KEY,
    }
    found = problems(security, environ, tmp_path)
    assert len(found) == 11
    text = "\n".join(found)
    for part in (
        "TEMPORAL_ENCRYPTION_KEY_: the key has the ID ''",
        "TEMPORAL_ENCRYPTION_KEY_empty: the key is empty",
        "TEMPORAL_ENCRYPTION_KEY_latin: the key is not UTF-8 text",
        "TEMPORAL_ENCRYPTION_KEY_locked: the key is a wrapped key; configure the key service",
        "TEMPORAL_ENCRYPTION_KEY_spaced: the key begins or ends with white space",
        "big: the key is in a file of more than 4096 bytes",
        "binary: the key is not UTF-8 text",
        "folder: the key cannot be read: Is a directory",
        "short: the key has 10 characters; expected 32 bytes in base64 (44 characters) or hex (64)",
        "two words: the key has the ID 'two words'",
        "encryptionKeyID: 'gone'",
    ):
        assert part in text


def test_keys_are_checked_even_while_encryption_is_off() -> None:
    assert problems(SecuritySettings(), {"TEMPORAL_ENCRYPTION_KEY": "short"})
    keyring = load_keyring(SecuritySettings(), {"TEMPORAL_ENCRYPTION_KEY": KEY})
    assert keyring.encrypting_id is None
    assert keyring.ids == ("default",)


def test_strict_mode_without_encryption_is_invalid() -> None:
    (problem,) = problems(SecuritySettings(requireEncryption=True), {"TEMPORAL_ENCRYPTION_KEY": KEY})
    assert problem.startswith("requireEncryption: true with enableEncryption: false")


def test_a_missing_folder_is_invalid(tmp_path: Path) -> None:
    (problem,) = problems(SecuritySettings(), {}, tmp_path / "gone")
    assert problem.startswith(f"key folder {tmp_path / 'gone'}: No such file or directory")


def test_files_are_read_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    data = tmp_path / "..2026_10_05"
    data.mkdir()
    (data / "eu-1").write_text(KEY + "\n")
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "eu-1").symlink_to("..data/eu-1")
    keyring = load_keyring(SecuritySettings(enableEncryption=True, encryptionKeyID="eu-1", keyFolder=tmp_path), {})
    assert keyring.ids == ("eu-1",)
    assert keyring.keys["eu-1"].source == str(tmp_path / "eu-1")


def test_raw32_takes_the_first_32_bytes_of_the_text_and_pads_nothing() -> None:
    raw = SecuritySettings(enableEncryption=True, keyFormat="raw32")
    assert load_keyring(raw, {"TEMPORAL_ENCRYPTION_KEY": KEY}).keys["default"].secret == KEY[:32].encode()
    (problem,) = problems(raw, {"TEMPORAL_ENCRYPTION_KEY": "a key of 21 characters"[:21]})
    assert problem.endswith("the key has 21 bytes; the format raw32 needs at least 32")


def test_wrapped_keys_open_with_their_master_key_only(tmp_path: Path) -> None:
    (tmp_path / "master").write_text(OTHER)
    (tmp_path / "wrong").write_text(KEY)
    service = MasterKeyFile(tmp_path / "master")
    with_master = ON.model_copy(update={"master_key_file": tmp_path / "master"})
    made = generate_key("default", service=service)
    environ = {"TEMPORAL_ENCRYPTION_KEY": made.text}
    key = load_keyring(with_master, environ).keys["default"]
    assert key.form == "wrapped"
    assert base64.b64encode(service.wrap(key.secret)).decode() in made.text

    with pytest.raises(
        InvalidConfiguration, match=f"{tmp_path / 'wrong'} cannot unwrap; another master key wrapped it"
    ):
        load_keyring(ON.model_copy(update={"master_key_file": tmp_path / "wrong"}), environ)
    with pytest.raises(InvalidConfiguration, match="no base64 follows the colon"):
        load_keyring(with_master, {"TEMPORAL_ENCRYPTION_KEY": "wrapped:!"})
    short = base64.b64encode(service.wrap(bytes(16))).decode()
    with pytest.raises(InvalidConfiguration, match="wrapped key of 16 bytes; expected 32"):
        load_keyring(with_master, {"TEMPORAL_ENCRYPTION_KEY": f"wrapped:{short}"})


def test_an_unreadable_key_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    assert "cannot be read" in problems(SecuritySettings(), {}, tmp_path)[0]
