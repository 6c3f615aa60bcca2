"""A checkpoint that a verifier has saved as a file, whatever an editor or a mail program did to its line ends."""

from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger import checkpoint, note

UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCheckpoint:
    """A signed note in the exact form that was signed, its origin, and the name of its file. Nothing is verified."""

    name: str
    message: bytes
    origin: str


def read(name: str, data: bytes) -> TrustedCheckpoint:
    """The checkpoint in a file. Raises VerificationError, which names the file, when there is none.

    Drops a byte order mark, carriage returns, and empty lines before and after; adds a missing final newline. That is
    safe: the signature is checked over the result.
    """
    try:
        message = decode_text(data).encode()
        origin = checkpoint.parse(note.parse(message).text).origin
    except VerificationError as error:
        raise VerificationError(
            f"{name}: not a signed checkpoint: {error.message}",
            hint="save it again exactly as you received it: the ledger's name, a number, a hash, an empty line, and "
            f"lines that begin with {note.SIGNATURE_MARK!r}",
        ) from None
    return TrustedCheckpoint(name=name, message=message, origin=origin)


def decode_text(data: bytes) -> str:
    """The text of the file with the line ends of a note."""
    try:
        text = data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise VerificationError(f"expected UTF-8, got an invalid byte at {error.start}") from None
    return text.replace("\r\n", "\n").strip("\n\t ") + "\n"
