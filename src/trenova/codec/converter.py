"""The one data converter of the API, the worker, the CLI and the replay tests.

The converter class runs inside Temporal's workflow sandbox, so this module must never import `cryptography`. Modules
with message Structs (and `msgspec` itself) have to pass through the sandbox: if the sandbox imports one again, its
classes are different classes, which msgspec does not recognise.
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
        """Raises RuntimeError, as the base class does, if the payload does not fit the Struct."""
        if not names_message(type_hint):
            return super().from_payload(payload, type_hint)
        try:
            return msgspec.json.decode(payload.data, type=type_hint)
        except msgspec.DecodeError as err:
            raise RuntimeError(f"payload does not fit {type_hint}: {err}") from err


@runtime_checkable
class AcceptsUnreadable(Protocol):
    """A message class that accepts any bytes: a workflow that is started with something else still gets an instance."""

    @classmethod
    def of_unreadable(cls, data: bytes) -> object: ...


class TrenovaPayloadConverter(CompositePayloadConverter):
    """Temporal's default converters in their order, with msgspec for `json/plain`."""

    def __init__(self) -> None:
        super().__init__(
            *(
                MsgspecJSONConverter() if isinstance(converter, JSONPlainPayloadConverter) else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """The values. Raises KeyError for an unknown encoding, which another program may know.

        If the type hint is an `AcceptsUnreadable` and the payload does not fit, the value is its `of_unreadable`.
        Raises PayloadError for a payload that could not be decoded.
        """
        for payload in payloads:
            undecodable.raise_if_placeholder(payload)
        accepting = class_accepting_unreadable(type_hints[0]) if type_hints and len(payloads) == 1 else None
        try:
            values = super().from_payloads(payloads, type_hints)
        except RuntimeError:
            if accepting is None:
                raise
            return [accepting.of_unreadable(payloads[0].data)]
        if accepting is not None and not isinstance(values[0], accepting | None):
            return [accepting.of_unreadable(payloads[0].data)]
        return values


def data_converter(codec: PayloadCodec | None = None, *, encode_failures: bool = True) -> DataConverter:
    """The data converter with `codec` (`compose.data_converter_for` makes both), or for plain payloads without one.

    With a codec and `encode_failures`, failure messages and stack traces move into a payload, so that the codec encodes
    them too; Temporal then shows "Encoded failure" to anyone without the key. The type of an ApplicationError stays
    readable.
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
    # Check origin and arguments: `list[Entry]` has a Struct as argument, `Page[int]` as origin.
    if arguments := get_args(hint):
        return any(names_message(part) for part in (get_origin(hint), *arguments))
    return isinstance(hint, type) and issubclass(hint, (msgspec.Struct, msgspec.Raw))


def class_accepting_unreadable(hint: object) -> Any:
    """The class that the hint names (`Batch | None`) if it is an `AcceptsUnreadable`, else None."""
    classes = [part for part in get_args(hint) or (hint,) if part is not type(None)]
    only = classes[0] if len(classes) == 1 else None
    return only if isinstance(only, type) and isinstance(only, AcceptsUnreadable) else None
