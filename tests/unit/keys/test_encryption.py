import base64
from pathlib import Path

import pytest

from trenova.config import SecuritySettings
from trenova.errors import InvalidConfiguration, InvalidRequest
from trenova.keys.encryption import describe_keys, generate_key
from trenova.keys.loading import load_keyring
from trenova.keys.master_key import MasterKeyFile


def test_a_generated_key_is_32_bytes_in_base64_with_its_export_line() -> None:
    made = generate_key(random_bytes=lambda count: bytes(range(count)))
    assert base64.b64decode(made.text) == bytes(range(32))
    assert made.export_line == f"export TEMPORAL_ENCRYPTION_KEY='{made.text}'"
    other = generate_key("k2")
    assert other.export_line == f"export TEMPORAL_ENCRYPTION_KEY_k2='{other.text}'"


def test_two_generated_keys_differ() -> None:
    assert generate_key().text != generate_key().text


def test_an_id_that_no_shell_can_export_has_no_export_line() -> None:
    made = generate_key("eu-1")
    assert made.export_line is None
    assert load_keyring(SecuritySettings(), {"TEMPORAL_ENCRYPTION_KEY_eu-1": made.text}).ids == ("eu-1",)


@pytest.mark.parametrize("key_id", ["", "a b", "a/b", "ü", "x" * 65, "a\nb"])
def test_an_impossible_id_is_invalid(key_id: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be a key ID"):
        generate_key(key_id)


def test_repr_of_a_generated_key_shows_no_key() -> None:
    made = generate_key()
    assert made.text not in repr(made)


def test_the_check_lists_all_ids_and_the_one_that_encrypts() -> None:
    old, new = generate_key("old"), generate_key("new")
    environ = {"TEMPORAL_ENCRYPTION_KEY_old": old.text, "TEMPORAL_ENCRYPTION_KEY_new": new.text}
    reports = describe_keys(load_keyring(SecuritySettings(enableEncryption=True, encryptionKeyID="new"), environ))
    assert [(report.id, report.encrypts, report.form, report.source) for report in reports] == [
        ("new", True, "base64", "TEMPORAL_ENCRYPTION_KEY_new"),
        ("old", False, "base64", "TEMPORAL_ENCRYPTION_KEY_old"),
    ]
    assert len({report.fingerprint for report in reports}) == 2
    assert not any(made.text in str(reports) for made in (old, new))


@pytest.mark.parametrize("content", [b"", b"a master key that somebody thought of, long enough", b"\xff" * 32])
def test_a_master_key_is_32_bytes_in_base64_or_hex_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master"
    path.write_bytes(content)
    with pytest.raises(InvalidConfiguration, match="expected 32 bytes in base64 or hex"):
        MasterKeyFile(path)
    with pytest.raises(InvalidConfiguration, match="No such file"):
        MasterKeyFile(tmp_path / "gone")


def test_a_changed_wrapped_key_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "master"
    path.write_text(generate_key().text + "\n")
    service = MasterKeyFile(path)
    wrapped = service.wrap(bytes(32))
    assert service.unwrap(wrapped) == bytes(32)
    for position in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        assert service.unwrap(bytes(changed)) is None
    assert service.unwrap(b"") is None
    assert path.read_text().strip() not in repr(service)
