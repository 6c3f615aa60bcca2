"""A checkpoint that its reader kept: what happens to a text in transit is forgiven, or the error names the file."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.ledger.test_standalone import ALONE
from contract.tamper.corpus.parties import ACME, GLOBEX, KEY
from trenova.cli import main
from unit.ledger.sample_ledgers import STRANGER

KEPT = ACME.signed_checkpoint(200)
FORGIVEN: dict[str, Callable[[str], bytes]] = {
    "nothing": str.encode,
    "one more newline": lambda kept: kept.encode() + b"\n",
    "several more": lambda kept: kept.encode() + b"\n \n\t\n",
    "no newline at the end": lambda kept: kept.removesuffix("\n").encode(),
    "empty lines before": lambda kept: b"\n\n" + kept.encode(),
    "carriage returns": lambda kept: kept.replace("\n", "\r\n").encode(),
    "carriage returns and one more": lambda kept: kept.replace("\n", "\r\n").encode() + b"\r\n",
    "a byte order mark": lambda kept: kept.encode("utf-8-sig"),
    "a byte order mark and carriage returns": lambda kept: kept.replace("\n", "\r\n").encode("utf-8-sig"),
    "UTF-16, as PowerShell redirects": lambda kept: kept.replace("\n", "\r\n").encode("utf-16"),
    "UTF-16 of the other kind": lambda kept: b"\xfe\xff" + kept.encode("utf-16-be"),
}
REFUSED: dict[str, Callable[[str], bytes]] = {
    "nothing at all": lambda _: b"",
    "an empty line": lambda _: b"\n",
    "a byte that is no text": lambda kept: kept.encode() + b"\xff",
    "a hyphen for the dash": lambda kept: kept.replace("—", "-").encode(),
    "a mark of quoting": lambda kept: "".join(f"> {line}\n" for line in kept.splitlines()).encode(),
    "a line that is broken in two": lambda kept: kept.replace("/acme 7g", "/acme\n7g").encode(),
    "a signature cut off": lambda kept: kept[: kept.index("—")].encode(),
    "a letter changed in the signature": lambda kept: (kept[:-9] + kept[-9].swapcase() + kept[-8:]).encode(),
    "a digit changed in the size": lambda kept: kept.replace("\n200\n", "\n201\n").encode(),
    "an evidence file": lambda _: ACME.evidence(),
    "a checkpoint of another log": lambda _: GLOBEX.signed_checkpoint(200).encode(),
    "one that nobody's key here has signed": lambda _: ACME.signed_checkpoint(200, STRANGER).encode(),
}


@pytest.fixture(params=["command", "script"])
def verify(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """One of the two verifiers, in a folder with a valid file; returns the exit code and both streams."""
    monkeypatch.chdir(tmp_path)
    Path("acme.evidence").write_bytes(ACME.evidence())

    def run_command(*words: str) -> tuple[int, str, str]:
        named = ["trenova", "verify"] if request.param == "command" else ["verify_evidence.py"]
        monkeypatch.setattr(sys, "argv", [*named, "acme.evidence", *words])
        with pytest.raises(SystemExit) as ended:
            main.main() if request.param == "command" else sys.exit(ALONE.main())
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, shown.out.replace("acme.evidence: ", ""), shown.err

    return run_command


@pytest.mark.parametrize("how", FORGIVEN)
def test_changes_outside_the_lines_are_forgiven(verify: Callable[..., tuple[int, str, str]], how: str) -> None:
    Path("kept.checkpoint").write_bytes(FORGIVEN[how](KEPT))
    code, out, err = verify("--key", KEY, "--known", "kept.checkpoint")
    assert (code, err) == (0, "")
    assert out.startswith("proved: 300 entries from 0 of the ledger ")


@pytest.mark.parametrize("how", REFUSED)
def test_a_kept_checkpoint_that_is_wrong_is_an_error_of_its_file_and_never_of_the_evidence(
    verify: Callable[..., tuple[int, str, str]], how: str
) -> None:
    Path("kept.checkpoint").write_bytes(REFUSED[how](KEPT))
    code, out, err = verify("--key", KEY, "--known", "kept.checkpoint")
    assert (code, out) == (2, "")
    assert err.startswith("error: nothing was checked: kept.checkpoint: ")


def test_a_missing_checkpoint_file_is_named(verify: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = verify("--key", KEY, "--known", "absent.checkpoint")
    assert (code, out) == (2, "")
    assert "nothing was checked: absent.checkpoint: cannot be read: No such file" in err


def test_without_a_key_a_checkpoint_of_another_key_is_a_finding_of_the_file(
    verify: Callable[..., tuple[int, str, str]],
) -> None:
    """The kept checkpoint may be right, and the file's own keys may be anybody's."""
    Path("kept.checkpoint").write_text(ACME.signed_checkpoint(200, STRANGER))
    code, out, _ = verify("--known", "kept.checkpoint")
    assert code == 1
    assert out.splitlines()[0].startswith("signature: your checkpoint: ")
    assert out.splitlines()[-1] == "NOT PROVED: 1 finding"


@pytest.mark.parametrize("words", [["--key", ""], ["--key", "\ufeff\r\n"], ["--key", KEY, "--key", " "]])
def test_an_empty_key_is_not_an_omitted_key(verify: Callable[..., tuple[int, str, str]], words: list[str]) -> None:
    code, out, err = verify(*words)
    assert (code, out) == (2, "")
    assert "--key is empty, expected a verifier key" in err


@pytest.mark.parametrize("key", [f"\ufeff{KEY}\r\n", f"  {KEY}  ", f"{KEY}\n{STRANGER.key.text}\n"])
def test_a_key_may_be_given_as_a_file_of_keys_holds_it(verify: Callable[..., tuple[int, str, str]], key: str) -> None:
    assert verify("--key", key)[0] == 0
