"""The batch that a workflow was started with, read from the payloads of its input, whoever sent them."""

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

from trenova.domain.batch import Batch
from trenova.errors import InvalidPayload, PayloadError


async def read_batch_input(converter: DataConverter, payloads: Sequence[Payload]) -> Batch:
    """The batch, empty if there is no input. Raises PayloadError for any payload that is not a batch."""
    if not payloads:
        return Batch()
    try:
        values = await converter.decode(payloads, [Batch] if len(payloads) == 1 else None)
    except PayloadError:
        raise
    except Exception as error:
        # For unexpected bytes converters raise all kinds of errors, and some quote the bytes.
        raise not_a_batch() from error
    if len(values) != 1 or not isinstance(values[0], Batch | None):
        raise not_a_batch()
    return values[0] or Batch()


def not_a_batch() -> InvalidPayload:
    return InvalidPayload(
        "the input of the workflow is not a batch",
        hint="find out who started it with `temporal workflow describe`; send entries to POST /v1/entries",
    )
