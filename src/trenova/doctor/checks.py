"""All checks of `trenova doctor` and of `trenova preflight`, in the order in which they are shown."""

from trenova.doctor import api, database, deployment, keys, ledger, machine, publishing, queue, temporal
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, ok
from trenova.publishing.witnesses import witnesses_of


async def check_configuration(context: CheckContext) -> Verdict:
    """There is a context, so the settings have been read; what is left is what no type can say."""
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
# A pipeline asks the doctor first: what is to run must be well.
PREFLIGHT = (*DOCTOR, *deployment.CHECKS)
