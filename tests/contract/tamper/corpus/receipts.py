"""Good and mutated receipts, each with the body and the verifier key that it is checked with."""

from collections.abc import Iterator
from dataclasses import dataclass

from contract.tamper.corpus.checkpoints import GOOD_NOTE, cosign_note, notes
from contract.tamper.corpus.parties import ACME, AS_WITNESS, WITNESS
from contract.tamper.corpus.spellings import NUMBERS, spellings_of_base64
from trenova.ledger import prove, receipt
from unit.ledger.sample_ledgers import PREFIX, SIGNER, STRANGER

INDEX = 10  # so that 1_0 is the same number to a careless reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt with the body and the verifier key that it is checked with."""

    name: str
    data: bytes
    body: bytes
    key: str
    refused: bool


def of(index: int, message: str = GOOD_NOTE, size: int = 300) -> bytes:
    salt = ACME.entries[index][0]
    path = prove.inclusion(index, size, ACME.read)
    return receipt.Receipt(index=index, path=path, checkpoint=message.encode(), salt=salt).encode()


def all_receipts() -> Iterator[Receipt]:
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
