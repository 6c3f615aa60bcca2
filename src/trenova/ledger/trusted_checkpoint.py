"""A checkpoint that somebody kept as a file, whatever an editor or a mail program has made of its line ends."""

from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger import checkpoint, note

UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCheckpoint:
    """A signed note in the one form that is signed, the log it is of, and the name of its file. Nothing is verified."""

    name: str
    message: bytes
    origin: str


def read(name: str, data: bytes) -> TrustedCheckpoint:
    """The checkpoint in a file. VerificationError, which names the file, where there is none.

    A byte order mark, carriage returns, and empty lines before and behind are dropped, and a missing newline is added.
    This proves nothing wrong: the signature is checked over what comes out here.
    """
    try:
        message = decode_text(data).encode()
        origin = checkpoint.parse(note.parse(message).text).origin
    except VerificationError as error:
        raise VerificationError(
            f"{name}: not a signed checkpoint: {error.message}",
            hint="save it again as it was sent: the log's name, a number, a hash, an empty line, and lines that begin "
            f"with {note.SIGNATURE_MARK!r}",
        ) from None
    return TrustedCheckpoint(name=name, message=message, origin=origin)


def decode_text(data: bytes) -> str:
    try:
        text = data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise VerificationError(f"expected UTF-8, got another byte at {error.start}") from None
    return text.replace("\r\n", "\n").strip("\n\t ") + "\n"
