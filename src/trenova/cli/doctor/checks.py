"""All checks of `trenova doctor` and of `trenova preflight`, in the order in which they are shown."""

from trenova.cli.doctor import api, boxes, database, keys, log, machine, publishing, queue, temporal
from trenova.cli.doctor.checkup import Check
from trenova.cli.doctor.finding import Kind, Verdict, ok
from trenova.cli.doctor.scene import Scene
from trenova.publishing.witnesses import witnesses_of


async def configuration(scene: Scene) -> Verdict:
    """There is a scene, so the settings have been read; what is left is what no type can say."""
    witnesses_of(scene.settings.ledger)
    return ok("is complete")


CONFIGURATION = Check("configuration", Kind.CONFIGURATION, configuration)
DOCTOR = (
    CONFIGURATION,
    *machine.CHECKS,
    *temporal.CHECKS,
    *database.CHECKS,
    *keys.CHECKS,
    *queue.CHECKS,
    *api.CHECKS,
    *log.CHECKS,
    *publishing.CHECKS,
)
# A pipeline asks the doctor first: what is to run must be well.
PREFLIGHT = (*DOCTOR, *boxes.CHECKS)
