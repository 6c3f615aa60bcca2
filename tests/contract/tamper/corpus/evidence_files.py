"""Good and mutated evidence files, and keys to check them with."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contract.tamper.corpus.checkpoints import GOOD_NOTE, ROOT, cosign_note, notes, relabelled_note
from contract.tamper.corpus.parties import ACME, AS_WITNESS, GLOBEX, GLOBEX_KEY, KEY, WITNESS
from contract.tamper.corpus.spellings import NUMBERS, spellings_of_base64
from unit.ledger.sample_ledgers import ORIGIN, PREFIX, STRANGER, sample_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An evidence file; `key` is None for a reader who has none."""

    name: str
    data: bytes
    key: str | None
    refused: bool


def packed_as(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


FIRST, COUNT = 250, 20  # of two tiles, so that there is an order to change
FILE = ACME.evidence(first=FIRST, count=COUNT, removed=(252, 260), earlier=(100,))
LINES = FILE.decode().splitlines(keepends=True)
HEADER: dict[str, Any] = json.loads(LINES[0])
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
    """Numbers and salts in the lines after the header."""
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
    yield case("20,000 empty lines", [*LINES[:3], "\n" * 20_000, *LINES[3:]])
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
