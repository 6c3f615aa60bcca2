"""Good and mutated checkpoints, receipts, keys and evidence files: what was changed, and whether it must be rejected.

The same bytes each time, from `unit.ledger.sample_ledgers`. `test_corpus` gives every case to every verifier: the
package, `trenova verify`, verify_evidence.py, and the lines of docs/proofs.md. A rule that one of them does not
know shows here first, so add a case to the corpus, not a test to one verifier.
"""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from trenova.ledger import note, prove, receipt, signing
from unit.ledger.sample_ledgers import ORIGIN, PREFIX, SIGNER, STRANGER, SampleLedger, sample_ledger

ACME = sample_ledger(300)
GLOBEX: SampleLedger = replace(sample_ledger(301), tenant="globex")
SEED = SIGNER.seed
WITNESS = signing.Signer(name="witness.example/w1", seed=bytes([7]) * 32, algorithm=note.COSIGNATURE)
AS_WITNESS = signing.Signer(name=ORIGIN, seed=SEED, algorithm=note.COSIGNATURE)
INDEX = 10  # so that 1_0 is the same number to a careless reader
GOOD_NOTE = ACME.signed_checkpoint(300)
TEXT, LINE = GOOD_NOTE.split("\n\n")
TEXT += "\n"
ROOT = TEXT.split("\n")[2]
NUMBERS: dict[str, Callable[[str], str]] = {
    "an underscore": lambda number: number[:1] + "_" + number[1:],
    "a plus": lambda number: "+" + number,
    "a minus": lambda number: "-" + number,
    "a space before": lambda number: " " + number,
    "a space behind": lambda number: number + " ",
    "a zero before": lambda number: "0" + number,
    "wide digits": lambda number: "".join(chr(ord(digit) + 0xFEE0) for digit in number),
    "a fraction": lambda number: number + ".0",
    "an exponent": lambda number: number + "e0",
    "hexadecimal": lambda number: hex(int(number)),
    "true": lambda _: "true",
    "minus zero": lambda _: "-0",
    "nothing": lambda _: "",
    "2^63": lambda _: str(1 << 63),
    "2^64 more": lambda number: str((1 << 64) + int(number)),
    "5,000 digits": lambda _: "9" * 5000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt with the body and the verifier key that it is checked with."""

    name: str
    data: bytes
    body: bytes
    key: str
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An evidence file; `key` is None for a reader who has none."""

    name: str
    data: bytes
    key: str | None
    refused: bool


def spellings_of_base64(text: str) -> dict[str, str]:
    """Other spellings of the same bytes, and of no bytes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    loose = letters[(letters.index(bare[-1]) + 1) % 64]  # the surplus bits of the last letter
    padded = {"no padding": bare, "loose bits": bare[:-1] + loose + text[len(bare) :]} if bare != text else {}
    return padded | {
        "too much padding": text + "=",
        "a space in it": text[:8] + " " + text[8:],
        "a newline in it": text[:8] + "\n" + text[8:],
        "a letter of another alphabet": text[:8] + "-" + text[9:],
        "a control character": text[:8] + "\x7f" + text[8:],
        "a byte too few": b64encode(b64decode(text)[:-1]).decode(),
        "a byte too many": b64encode(b64decode(text) + b"\0").decode(),
        "nothing": "",
    }


def packed_as(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


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


def of(index: int, message: str = GOOD_NOTE, size: int = 300) -> bytes:
    salt = ACME.entries[index][0]
    path = prove.inclusion(index, size, ACME.read)
    return receipt.Receipt(index=index, path=path, checkpoint=message.encode(), salt=salt).encode()


def receipts() -> Iterator[Receipt]:
    """One entry's receipt, its body and key, each changed in every way."""
    body, key, good = ACME.entries[INDEX][1], SIGNER.key.text, of(INDEX).decode()

    def case(name: str, data: str | bytes, *, body: bytes = body, key: str = key, refused: bool = True) -> Receipt:
        data = data.encode() if isinstance(data, str) else data
        return Receipt(name=name, data=data, body=body, key=key, refused=refused)

    for name, message, refused in notes():
        yield case(f"checkpoint: {name}", of(INDEX, message), refused=refused)
    yield case("checkpoint: not UTF-8", of(INDEX) + b"\xff")
    yield case("checkpoint: half a surrogate pair", of(INDEX).replace(b"300\n", b"300\n\xed\xa0\x80\n"))
    for index, size in ((0, 1), (0, 300), (255, 300), (256, 300), (299, 300)):
        data, one = of(index, ACME.signed_checkpoint(size), size), ACME.entries[index][1]
        yield case(f"entry {index} of {size}", data, body=one, refused=False)
    head, salt, _, *path = good.split("\n\n")[0].split("\n")
    rest = good.split("\n\n", 1)[1]

    def proof_with(*lines: str) -> str:
        return "\n".join(lines) + "\n\n" + rest

    number = f"index {INDEX}"
    for wrong in (7, -3, 11, 300, 299, 0):
        yield case(f"index {wrong}", proof_with(head, salt, f"index {wrong}", *path))
    for how, spelled in NUMBERS.items():
        yield case(f"index with {how}", proof_with(head, salt, f"index {spelled(str(INDEX))}", *path))
    yield case("no index", proof_with(head, salt, *path))
    yield case("two indexes", proof_with(head, salt, number, number, *path))
    yield case("Index", proof_with(head, salt, f"Index {INDEX}", *path))
    yield case("no salt", proof_with(head, number, *path))
    yield case("two salts", proof_with(head, salt, salt, number, *path))
    yield case("salt behind the index", proof_with(head, number, salt, *path))
    for how, text in spellings_of_base64(salt.removeprefix("extra ")).items():
        yield case(f"salt with {how}", proof_with(head, f"extra {text}", number, *path))
    for how, text in spellings_of_base64(path[0]).items():
        yield case(f"first hash with {how}", proof_with(head, salt, number, text, *path[1:]))
    yield case("the last hash away", proof_with(head, salt, number, *path[:-1]))
    yield case("the last hash twice", proof_with(head, salt, number, *path, path[-1]))
    yield case("no hashes", proof_with(head, salt, number))
    yield case("64 hashes", proof_with(head, salt, number, *path, *[path[-1]] * (64 - len(path))))
    yield case("hashes in another order", proof_with(head, salt, number, *reversed(path)))
    alone = of(0, ACME.signed_checkpoint(1), 1).decode()
    yield case(
        "a path in a tree of one entry", alone.replace("index 0", f"index 0\n{path[0]}"), body=ACME.entries[0][1]
    )
    yield case("another version", good.replace("@v1", "@v2"))
    yield case("an unknown line", proof_with(head, "more", salt, number, *path))
    yield case("a byte order mark", "\ufeff" + good)
    yield case("carriage returns", good.replace("\n", "\r\n"))
    yield case("NUL at the end", good + "\0")
    yield case("nothing at all", b"")
    yield case("the first line alone", head + "\n")
    yield case("another body", good, body=ACME.entries[11][1])
    yield case("a space behind the body", good, body=body + b" ")
    yield case("the salt's last byte in the body", good, body=b"\0" + body)
    yield from with_other_keys()


def with_other_keys() -> Iterator[Receipt]:
    """A valid receipt, checked with another key than that of the ledger, or with the key in another spelling."""
    body, key, good = ACME.entries[INDEX][1], SIGNER.key.text, of(INDEX).decode()

    def case(name: str, data: str, *, key: str) -> Receipt:
        return Receipt(name=name, data=data.encode(), body=body, key=key, refused=True)

    named = {name: SIGNER.with_name(name).key.text for name in (f"{PREFIX}/globex", PREFIX, "acme", "ACME")}
    for name, text in named.items():
        yield case(f"the key under the name {name}", good, key=text)
    yield case("a stranger's key", good, key=STRANGER.key.text)
    yield case("a witness's key", of(INDEX, cosign_note(GOOD_NOTE, WITNESS)).decode(), key=WITNESS.key.text)
    yield case(
        "the log's key as a witness's", of(INDEX, cosign_note(GOOD_NOTE, AS_WITNESS)).decode(), key=AS_WITNESS.key.text
    )
    yield case("the key with another id", good, key=key.replace(SIGNER.key.id.hex(), "00000000"))
    yield case("the key with a newline", good, key=key + "\n")
    yield case(
        "the key with its id in upper case", good, key=key.replace(SIGNER.key.id.hex(), SIGNER.key.id.hex().upper())
    )
    typed = key.rpartition("+")[2]
    for how, text in spellings_of_base64(typed).items():
        yield case(f"the key with {how}", good, key=key.replace(typed, text))


FIRST, COUNT = 250, 20  # of two tiles, so that there is an order to change
FILE = ACME.evidence(first=FIRST, count=COUNT, removed=(252, 260), earlier=(100,))


LINES = FILE.decode().splitlines(keepends=True)
HEADER: dict[str, Any] = json.loads(LINES[0])
KEY = SIGNER.key.text
GLOBEX_KEY = SIGNER.with_name(f"{PREFIX}/globex").key.text
TILE = next(at for at, each in enumerate(LINES) if each.startswith('{"tile":1'))


def case(name: str, data: str | bytes | list[str], *, key: str | None = KEY, refused: bool = True) -> Evidence:
    data = "".join(data) if isinstance(data, list) else data
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return Evidence(name=name, data=data, key=key, refused=refused)


def line(at: int, old: str, new: str) -> list[str]:
    """The file's lines with the first `old` in one of them replaced."""
    assert old in LINES[at], (old, LINES[at][:200])
    return [*LINES[:at], LINES[at].replace(old, new, 1), *LINES[at + 1 :]]


def json_of(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def with_header(**members: object) -> list[str]:
    return [json_of(HEADER | members) + "\n", *LINES[1:]]


def with_note(message: str) -> list[str]:
    last = {"end": True, "entries": COUNT, "checkpoint": message}
    return [json_of(HEADER | {"checkpoint": message}) + "\n", *LINES[1:-1], json_of(last) + "\n"]


def whole() -> Iterator[Evidence]:
    """Valid files, and the file under each mutated checkpoint."""
    yield case("nothing", FILE, refused=False)
    yield case("nothing, without a key", FILE, key=None, refused=False)
    yield case("packed", packed_as(FILE), refused=False)
    yield case("an empty log", sample_ledger(0).evidence(), refused=False)
    yield case("no entries at the start", ACME.evidence(count=0), refused=False)
    yield case("no entries at the end", ACME.evidence(first=300, count=0), refused=False)
    yield case("the last entry", ACME.evidence(first=299, count=1), refused=False)
    for name, message, refused in notes():
        yield case(f"checkpoint: {name}", with_note(message), refused=refused)
        if name in {"another log's checkpoint under this key's name", "cosigned only, with the log's secret"}:
            yield case(f"checkpoint: {name}, without a key", with_note(message), key=None)


def other_logs() -> Iterator[Evidence]:
    """Files of other ledgers and of other keys."""
    foreign = (
        GLOBEX.evidence(first=FIRST, count=COUNT)
        .decode()
        .replace(json_of(GLOBEX.signed_checkpoint(301)), json_of(relabelled_note()))
    )
    yield case("another log's file under its own key", GLOBEX.evidence(), key=GLOBEX_KEY, refused=False)
    yield case("another log's file", GLOBEX.evidence())
    yield case("another log's file with this key's name on the signature", foreign)
    foreign = foreign.replace(GLOBEX_KEY, KEY)
    yield case("the same with this key in the header", foreign)
    for names in ((ORIGIN, "acme"), (ORIGIN, "globex"), (f"{PREFIX}/globex", "acme")):
        renamed = foreign.replace(f'"origin":"{PREFIX}/globex"', f'"origin":"{names[0]}"').replace(
            '"tenant":"globex"', f'"tenant":"{names[1]}"'
        )
        yield case(f"the same with origin and tenant {names}", renamed)
        yield case(f"the same with origin and tenant {names}, without a key", renamed, key=None)
    strange = ACME.evidence(first=FIRST, count=COUNT, signer=STRANGER)
    yield case("a stranger's file", strange)
    yield case("a stranger's file, without a key", strange, key=None, refused=False)
    yield case("a witness's key", FILE, key=WITNESS.key.text)
    yield case("the log's key as a witness's", with_note(cosign_note(GOOD_NOTE, AS_WITNESS)), key=AS_WITNESS.key.text)


def headers() -> Iterator[Evidence]:
    """A header whose members are changed or spelled otherwise."""
    for keys in (
        [],
        [STRANGER.key.text],
        [KEY, STRANGER.key.text],
        [KEY, KEY],
        [GLOBEX_KEY],
        [AS_WITNESS.key.text],
        [KEY + "\n"],
        ["x"],
        [KEY[:-1]],
        [7],
        KEY,
        None,
        [KEY] * 17,
    ):
        for given in (KEY, None):
            yield case(
                f"keys {len(json_of(keys))} {str(keys)[-40:]}, {'a' if given else 'no'} key",
                with_header(keys=keys),
                key=given,
            )
    for name in ("first", "count"):
        right = str(HEADER[name])
        for how, number in NUMBERS.items():
            yield case(f"{name} with {how}", line(0, f'"{name}":{right}', f'"{name}":{number(right)}'))
        for value in (None, right, [HEADER[name]], HEADER[name] + 1, HEADER[name] - 1, -1, float(right)):
            yield case(f"{name} {value!r}", with_header(**{name: value}))
    for version in ("1.0", "true", '"1"', "2", "01", "1e0", "+1", "null", "-1", "1_0", "\uff11"):
        yield case(f"version {version!a}", line(0, '"version":1', f'"version":{version}'))
    yield case("another format", with_header(format="trenova-evidence "))
    for tenant in ("globex", "", "acme\u202e", "\x9b31macme", 7, None, "acme\u200b", "a" * 10_000):
        yield case(f"tenant {tenant!r:.40}", with_header(tenant=tenant))
    for origin in (f"{PREFIX}/globex", "", "acme", f"{ORIGIN}\x1b[31m", f"{ORIGIN}\u202e", 7, None, "x" * 100_000):
        yield case(f"origin {origin!r:.60}", with_header(origin=origin))
    yield case("half a surrogate pair", line(0, '"tenant":"acme"', '"tenant":"\\ud800"'))
    yield case("half a surrogate pair in bytes", line(0, '"tenant":"acme"', '"tenant":"\ud800"'))
    yield case("a letter escaped", line(0, '"tenant":"acme"', '"tenant":"\\u0061cme"'))
    yield case("a slash escaped", line(0, f'"origin":"{PREFIX}/', f'"origin":"{PREFIX}\\/'))
    yield case("a space behind a colon", line(0, '"tenant":"', '"tenant": "'))
    yield case("an unknown member", line(0, '"earlier":', '"note":1,"earlier":'))
    yield case("a member twice", line(0, '"tenant":"acme",', '"tenant":"acme","tenant":"acme",'))
    yield case("a member twice, once false", line(0, '"tenant":"acme",', '"tenant":"globex","tenant":"acme",'))
    yield case(
        "members in another order",
        line(0, '"tenant":"acme","origin":' + json_of(ORIGIN), '"origin":' + json_of(ORIGIN) + ',"tenant":"acme"'),
    )
    yield case("a member away", line(0, '"tenant":"acme",', ""))
    yield case("a list for the header", ["[1]\n", *LINES[1:]])


def earlier() -> Iterator[Evidence]:
    """Earlier checkpoints, and headers too large."""
    yield case("earlier not a list", with_header(earlier={}))
    yield case("earlier without a proof", with_header(earlier=[{"checkpoint": ACME.signed_checkpoint(100)}]))
    yield case(
        "an earlier checkpoint of another key",
        with_header(earlier=[HEADER["earlier"][0] | {"checkpoint": ACME.signed_checkpoint(100, STRANGER)}]),
    )
    yield case(
        "an earlier checkpoint of another log",
        with_header(earlier=[HEADER["earlier"][0] | {"checkpoint": relabelled_note()}]),
    )
    yield case(
        "an earlier checkpoint with a longer proof",
        with_header(earlier=[HEADER["earlier"][0] | {"consistency": [*HEADER["earlier"][0]["consistency"], ROOT]}]),
    )
    yield case("101 earlier checkpoints", with_header(earlier=HEADER["earlier"] * 101))
    yield case("a first line of two mebibytes", with_header(tenant="x" * (2 << 20)))
    for depth in (900, 995, 100_000):
        yield case(
            f"{depth} lists in each other",
            with_header(keys="K")[0].replace('"K"', "[" * depth + "]" * depth) + "".join(LINES[1:]),
        )


def numbers_and_salts() -> Iterator[Evidence]:
    """Numbers and salts in the other LINES."""
    base64 = LINES[2].partition('"salt":"')[2][:24]
    entry = f'"index":{FIRST}'
    for how, number in NUMBERS.items():
        if how != "nothing":
            yield case(f"index with {how}", line(2, entry, f'"index":{number(str(FIRST))}'))
            yield case(f"tile with {how}", line(TILE, '{"tile":1', '{"tile":' + number("1")))
        yield case(
            f"entries with {how}", line(-1 % len(LINES), f'"entries":{COUNT}', f'"entries":{number(str(COUNT))}')
        )
    for how, text in spellings_of_base64(base64).items():
        yield case(f"salt with {how}", line(2, base64, text))


def proofs() -> Iterator[Evidence]:
    """Commitments and paths."""
    removed = next(at for at, each in enumerate(LINES) if '"commitment":' in each)
    base64 = LINES[removed].partition('"commitment":"')[2][:44]
    for how, text in spellings_of_base64(base64).items():
        yield case(f"commitment with {how}", line(removed, base64, text))
    base64 = json.loads(LINES[TILE])["commitments"]
    for how, text in spellings_of_base64(base64).items():
        yield case(f"commitments with {how}", line(TILE, base64, text))
    base64 = json.loads(LINES[TILE])["path"][0]
    for how, text in spellings_of_base64(base64).items():
        yield case(f"path with {how}", line(TILE, base64, text))
    yield case("127 hashes in a path", line(TILE, f'"{base64}"', ",".join([f'"{base64}"'] * 127)))


def bodies() -> Iterator[Evidence]:
    """Bodies in another form."""
    body = LINES[2].partition('"body":')[2][:-2]
    yield case(
        "a plain body as base64", line(2, f'"body":{body}', f'"body_base64":"{b64encode(body.encode()).decode()}"')
    )
    odd = sample_ledger(12).evidence().decode().splitlines(keepends=True)
    for at, raw in ((4, b""), (5, b"\xff\x00"), (6, b'{"a":\n1}')):
        there = f'"body_base64":"{b64encode(raw).decode()}"'.encode()
        assert there in odd[1 + at].encode() or at == 4
        yield case(
            f"a body that is not plain, as it is: {raw!r}", "".join(odd).encode().replace(there, b'"body":' + raw, 1)
        )
    yield case("a body with a carriage return, as it is", line(2, body, body + "\r"))
    yield case("a body away, without its commitment", line(2, f',"body":{body}', ""))
    yield case("another body", line(2, "shipment", "shipmemt"))
    yield case("a space behind an entry", line(2, "}\n", "} \n"))


def orders() -> Iterator[Evidence]:
    """Lines that are missing, repeated, in another order, and after the end."""
    yield case("entries in another order", [*LINES[:2], LINES[3], LINES[2], *LINES[4:]])
    yield case("an entry twice", [*LINES[:3], LINES[2], *LINES[3:]])
    yield case("an entry away", [*LINES[:2], *LINES[3:]])
    yield case("a tile's line away", [*LINES[:TILE], *LINES[TILE + 1 :]])
    yield case("a tile twice", [*LINES[:TILE], *LINES[TILE:-1], *LINES[TILE:]])
    yield case("tiles in another order", [LINES[0], *LINES[TILE:-1], *LINES[1:TILE], LINES[-1]])
    yield case("an empty line", [*LINES[:2], "\n", *LINES[2:]])
    yield case("the header twice", [LINES[0], *LINES])
    yield case("the last line twice", [*LINES, LINES[-1]])
    yield case("the last line away", LINES[:-1])
    yield case("end 1", line(len(LINES) - 1, '"end":true', '"end":1'))
    yield case("no newline at the end", FILE[:-1])
    for behind in (b"\n", b" ", b"\0", b"\xff", b"{}\n", FILE):
        yield case(f"behind the end: {behind[:10]!r}", FILE + behind)
    yield case("a byte order mark", b"\xef\xbb\xbf" + FILE)
    yield case("NUL at the start", b"\0" + FILE)
    yield case("carriage returns", FILE.replace(b"\n", b"\r\n"))
    yield case("UTF-16", FILE.decode().encode("utf-16"))
    yield case("not UTF-8", FILE.replace(b"shipment", b"\xffhipment", 1))
    yield case("nothing at all", b"")
    yield case("one newline", b"\n")
    yield case("a line of five mebibytes", [*LINES[:3], '{"index":' + "x" * (5 << 20) + "\n", *LINES[3:]])
    yield case("20,000 empty LINES", [*LINES[:3], "\n" * 20_000, *LINES[3:]])
    yield case("20,000 tiles", [LINES[0], '{"tile":0,"commitments":"","path":[]}\n' * 20_000, *LINES[1:]])


def packings() -> Iterator[Evidence]:
    """The file packed, and the packing damaged."""
    packed = packed_as(FILE)
    for cut in (2, 10, len(packed) // 2, len(packed) - 8, len(packed) - 1):
        yield case(f"packed, {cut} bytes of it", packed[:cut])
    yield case("packed in two members", packed_as(FILE[:3000]) + packed_as(FILE[3000:]))
    yield case("packed, and a member of nothing", packed + packed_as(b""))
    for behind in (b"\0", b"\0" * 512, b"garbage", packed):
        yield case(f"packed, behind it {behind[:10]!r}", packed + behind)
    yield case("packed, with another checksum", packed[:-8] + bytes(4) + packed[-4:])
    yield case("packed, with another length", packed[:-4] + bytes(4))
    yield case("packed twice", packed_as(packed))


def evidence() -> Iterator[Evidence]:
    """One file, changed in every way."""
    for kind in (whole, other_logs, headers, earlier, numbers_and_salts, proofs, bodies, orders, packings):
        yield from kind()
