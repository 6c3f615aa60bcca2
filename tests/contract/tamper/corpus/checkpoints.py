"""Good and mutated checkpoints: what was changed, the note, and whether it must be rejected."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace

from contract.tamper.corpus.parties import ACME, AS_WITNESS, GLOBEX, WITNESS
from contract.tamper.corpus.spellings import NUMBERS, spellings_of_base64
from trenova.ledger import note, signing
from unit.ledger.sample_ledgers import ORIGIN, PREFIX, SIGNER, STRANGER

GOOD_NOTE = ACME.signed_checkpoint(300)
TEXT, LINE = GOOD_NOTE.split("\n\n")
TEXT += "\n"
ROOT = TEXT.split("\n")[2]


def sign_note(text: str, signer: signing.Signer = SIGNER) -> str:
    """A note with a signature of the ledger's key, whatever its text."""
    return signing.sign_text(text, [signer]).decode()


def cosign_note(message: str, *witnesses: signing.Signer) -> str:
    data = message.encode()
    for witness in witnesses:
        data = signing.cosign(note.parse(data), witness, timestamp=1_800_000_000)
    return data.decode()


def relabelled_note() -> str:
    """Globex's checkpoint with its valid signature under acme's name and key id: one secret signs for both."""
    parsed = note.parse(GLOBEX.signed_checkpoint(301).encode())
    line = replace(parsed.signatures[0], name=ORIGIN, key_id=SIGNER.key.id)
    return replace(parsed, signatures=(line,)).encode().decode()


def notes() -> Iterator[tuple[str, str, bool]]:
    """Checkpoints of acme's 300 entries: what was changed, the note, and whether it must be rejected."""
    unknown = "— somebody.example/else " + b64encode(bytes(68)).decode() + "\n"
    yield "nothing", GOOD_NOTE, False
    yield "a signature of an unknown key", GOOD_NOTE + unknown, False
    yield "an unknown signature before", TEXT + "\n" + unknown + LINE, False
    yield "the same unknown signature twice", GOOD_NOTE + unknown + unknown, False
    yield "an unknown key under the log's name", GOOD_NOTE + unknown.replace("somebody.example/else", ORIGIN), False
    yield "a cosignature", cosign_note(GOOD_NOTE, WITNESS), False
    yield "100 signatures", GOOD_NOTE + unknown * 99, False
    yield "101 signatures", GOOD_NOTE + unknown * 100, True
    yield "an extension line", sign_note(TEXT + "extension \u202e\u200b\n"), False
    yield "an empty extension line", sign_note(TEXT + "\n"), True
    yield "an empty line and another", sign_note(TEXT + "\nmore\n"), True
    yield "signed by another key", ACME.signed_checkpoint(300, STRANGER), True
    yield "another log's checkpoint under this key's name", relabelled_note(), True
    yield "another log's checkpoint", GLOBEX.signed_checkpoint(301), True
    yield "another log's name in the text", GOOD_NOTE.replace(ORIGIN, f"{PREFIX}/globex", 1), True
    yield "cosigned only, with the log's secret", cosign_note(TEXT + "\n" + unknown, AS_WITNESS), True
    yield "the log's signature twice", GOOD_NOTE + LINE, True
    yield "a good and a bad signature", GOOD_NOTE + LINE.replace(LINE[-12:-3], "AAAAAAAAA"), True
    yield "the signature's last byte cut off", TEXT + "\n" + rework_line(LINE, lambda data: data[:-1]), True
    yield "a byte behind the signature", TEXT + "\n" + rework_line(LINE, lambda data: data + b"\0"), True
    yield "another key id", TEXT + "\n" + rework_line(LINE, lambda data: b"\0\0\0\0" + data[4:]), True
    yield "no signature bytes", TEXT + "\n" + rework_line(LINE, lambda data: data[:4]), True
    yield "upper case in the signer's name", TEXT + "\n" + LINE.replace("acme", "Acme"), True
    yield "a hyphen for the dash", GOOD_NOTE.replace("—", "-"), True
    yield "two spaces behind the dash", GOOD_NOTE.replace("— ", "—  "), True
    yield "a plus in an unknown name", GOOD_NOTE + unknown.replace("some", "+"), True
    yield "a Unicode space in an unknown name", GOOD_NOTE + unknown.replace("some", "\u2003"), True
    yield "a line that is no signature", GOOD_NOTE + "signed\n", True
    yield "no signatures", TEXT + "\n", True
    yield "no empty line", TEXT + LINE, True
    yield "two empty lines", TEXT + "\n\n" + LINE, True
    yield "no newline at the end", GOOD_NOTE[:-1], True
    yield "an empty line at the end", GOOD_NOTE + "\n", True
    yield "a byte behind the end", GOOD_NOTE + "x", True
    yield "NUL behind the end", GOOD_NOTE + "\0", True
    yield "a byte order mark", "\ufeff" + GOOD_NOTE, True
    yield "a byte order mark, signed", sign_note("\ufeff" + TEXT), True
    yield "carriage returns", GOOD_NOTE.replace("\n", "\r\n"), True
    yield "carriage returns, signed", sign_note(TEXT.replace("\n", "\r\n")), True
    yield "a tab in an extension, signed", sign_note(TEXT + "a\tb\n"), True
    yield "NUL in an extension, signed", sign_note(TEXT + "a\0b\n"), True
    yield "no root", sign_note("\n".join(TEXT.split("\n")[:2]) + "\n"), True
    yield "another root, signed", sign_note(TEXT.replace(ROOT, b64encode(bytes(32)).decode())), True
    yield "a space behind the origin, signed", sign_note(TEXT.replace("acme", "acme ")), True
    yield "more than a mebibyte", GOOD_NOTE + "— x " + b64encode(bytes(1 << 20)).decode() + "\n", True
    yield from respelled_notes()


def respelled_notes() -> Iterator[tuple[str, str, bool]]:
    """Checkpoints with a number or with base64 in another spelling."""
    for how, spelled in NUMBERS.items():
        yield f"the size with {how}, signed", sign_note(TEXT.replace("\n300\n", f"\n{spelled('300')}\n")), True
    for how, text in spellings_of_base64(ROOT).items():
        yield f"the root with {how}, signed", sign_note(TEXT.replace(ROOT, text)), True
    data = LINE.split(" ")[2].rstrip("\n")
    for how, text in spellings_of_base64(data).items():
        yield f"the signature with {how}", GOOD_NOTE.replace(data, text), True


def rework_line(line: str, change: Callable[[bytes], bytes]) -> str:
    mark, name, data = line.rstrip("\n").split(" ")
    return f"{mark} {name} {b64encode(change(b64decode(data))).decode()}\n"
