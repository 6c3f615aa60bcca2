"""All checks of `trenova doctor` and of `trenova preflight`, in the order in which they are shown."""

from trenova.doctor import api, database, deployment, keys, ledger, machine, publishing, queue, temporal
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, ok
from trenova.publishing.witnesses import witnesses_of


async def check_configuration(context: CheckContext) -> Verdict:
    """The settings are valid, or there would be no context. This checks what their types cannot express."""
    witnesses_of(context.settings.ledger)
    return ok("is complete")


CONFIGURATION = Check("configuration", Kind.CONFIGURATION, check_configuration)
DOCTOR = (
    CONFIGURATION,
    *machine.CHECKS,
    *temporal.CHECKS,
    *database.CHECKS,
    *keys.CHECKS,
    *queue.CHECKS,
    *api.CHECKS,
    *ledger.CHECKS,
    *publishing.CHECKS,
)
# The checks of the doctor come first: preflight needs a working installation for its own.
PREFLIGHT = (*DOCTOR, *deployment.CHECKS)
