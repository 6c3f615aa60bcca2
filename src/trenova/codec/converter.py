"""The one data converter of the API, the worker, the CLI and the replay tests.

The converter class runs inside Temporal's workflow sandbox, so this module must never import `cryptography`. Modules
with message Structs (and `msgspec` itself) have to pass through the sandbox: a class that the sandbox imported again is
another class, and msgspec does not know it.
"""

from collections.abc import Sequence
from typing import Any, Protocol, get_args, get_origin, runtime_checkable

import msgspec
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadCodec,
)

from trenova.codec import undecodable


class MsgspecJSONConverter(JSONPlainPayloadConverter):
    """`json/plain` by msgspec for Structs, by Temporal's own converter for everything else.

    A value goes through msgspec when it is a Struct, a `msgspec.Raw`, or a list, tuple or dict that holds one directly;
    a payload does when its type hint names a Struct or `Raw` anywhere (`Batch | None`, `list[Entry]`). `Raw` keeps its
    exact bytes in both directions.
    """

    def to_payload(self, value: Any) -> Payload | None:
        if is_message(value):
            return Payload(metadata={"encoding": self.encoding.encode()}, data=msgspec.json.encode(value))
        return super().to_payload(value)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Raises RuntimeError, as the base class does, when the payload does not fit the Struct."""
        if not names_message(type_hint):
            return super().from_payload(payload, type_hint)
        try:
            return msgspec.json.decode(payload.data, type=type_hint)
        except msgspec.DecodeError as err:
            raise RuntimeError(f"payload does not fit {type_hint}: {err}") from err


@runtime_checkable
class AcceptsUnreadable(Protocol):
    """A message that makes something of what is no such message: a workflow that gets one has a clear end."""

    @classmethod
    def of_unreadable(cls, data: bytes) -> object: ...


class TrenovaPayloadConverter(CompositePayloadConverter):
    """Temporal's default converters in their order, with msgspec in the place of `json/plain`."""

    def __init__(self) -> None:
        super().__init__(
            *(
                MsgspecJSONConverter() if isinstance(converter, JSONPlainPayloadConverter) else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """As the base class. KeyError for an encoding that is unknown here: another program may know it.

        A payload that is asked for as `TakesAnything` and is something else gives what that makes of it. PayloadError
        for one that could not be decoded.
        """
        for payload in payloads:
            undecodable.raise_if_placeholder(payload)
        asked = class_accepting_unreadable(type_hints[0]) if type_hints and len(payloads) == 1 else None
        try:
            values = super().from_payloads(payloads, type_hints)
        except RuntimeError:
            if asked is None:
                raise
            return [asked.of_unreadable(payloads[0].data)]
        if asked is not None and not isinstance(values[0], asked | None):
            return [asked.of_unreadable(payloads[0].data)]
        return values


def data_converter(codec: PayloadCodec | None = None, *, encode_failures: bool = True) -> DataConverter:
    """The data converter for `codec` (`secrecy.data_converter_for` makes both), or for plain payloads without one.

    With a codec and `encode_failures`, failure messages and stack traces move into a payload, so that the codec covers
    them too; Temporal then shows "Encoded failure" to whoever has no key. The type of an ApplicationError stays clear.
    """
    if codec is None or not encode_failures:
        return DataConverter(payload_converter_class=TrenovaPayloadConverter, payload_codec=codec)
    return DataConverter(
        payload_converter_class=TrenovaPayloadConverter,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def is_message(value: object) -> bool:
    if isinstance(value, dict):
        return any(isinstance(item, (msgspec.Struct, msgspec.Raw)) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, (msgspec.Struct, msgspec.Raw)) for item in value)
    return isinstance(value, (msgspec.Struct, msgspec.Raw))


def names_message(hint: object) -> bool:
    # Origin and arguments both count: `list[Entry]` holds a Struct, and a generic Struct may hold none (`Page[int]`).
    if arguments := get_args(hint):
        return any(names_message(part) for part in (get_origin(hint), *arguments))
    return isinstance(hint, type) and issubclass(hint, (msgspec.Struct, msgspec.Raw))


def class_accepting_unreadable(hint: object) -> Any:
    """The class that the hint names (`Batch | None`), if that is `TakesAnything`."""
    named = [part for part in get_args(hint) or (hint,) if part is not type(None)]
    return (
        named[0] if len(named) == 1 and isinstance(named[0], type) and isinstance(named[0], AcceptsUnreadable) else None
    )
