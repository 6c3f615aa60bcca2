"""How much work a worker takes at once: fixed by the settings, or adapted to the machine and the queue."""

from temporalio.worker import (
    FixedSizeSlotSupplier,
    PollerBehavior,
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    ResourceBasedSlotConfig,
    ResourceBasedSlotSupplier,
    ResourceBasedTunerConfig,
    WorkerTuner,
)

from trenova.config import WorkerSettings

# Batches that are stored concurrently. Each takes some 10 MB while it is stored; a waiting one takes a quarter of that.
# More would not be faster: batches of one tenant take turns at its ledger, and a process uses one core.
QUICK_ATTEMPTS = 2
# We have no Nexus operations; the SDK requires at least one slot.
NEXUS_SLOTS = 1
# The sticky queue and the normal one each need a slot.
LEAST_WORKFLOW_SLOTS = 2


def tuner_of(size: WorkerSettings) -> WorkerTuner:
    """Slots up to the configured numbers; with resource targets, fewer while the machine exceeds them."""
    workflows, activities = (
        size.max_concurrent_workflow_task_execution_size,
        size.max_concurrent_activity_execution_size,
    )
    quick = FixedSizeSlotSupplier(min(QUICK_ATTEMPTS, activities))
    targets = size.resources
    if targets.target_memory is None and targets.target_cpu is None:
        return WorkerTuner.create_composite(
            workflow_supplier=FixedSizeSlotSupplier(workflows),
            activity_supplier=FixedSizeSlotSupplier(activities),
            local_activity_supplier=quick,
            nexus_supplier=FixedSizeSlotSupplier(NEXUS_SLOTS),
        )
    # A target that is not set is never exceeded.
    tuner = ResourceBasedTunerConfig(targets.target_memory or 1.0, targets.target_cpu or 1.0)
    return WorkerTuner.create_composite(
        workflow_supplier=ResourceBasedSlotSupplier(ResourceBasedSlotConfig(LEAST_WORKFLOW_SLOTS, workflows), tuner),
        activity_supplier=ResourceBasedSlotSupplier(ResourceBasedSlotConfig(1, activities), tuner),
        local_activity_supplier=quick,
        nexus_supplier=FixedSizeSlotSupplier(NEXUS_SLOTS),
    )


def pollers_of(pollers: int, most: int | None) -> PollerBehavior:
    """A fixed number of pollers; with `most`, that number at first, then between 1 and `most` as the server advises."""
    if most is None:
        return PollerBehaviorSimpleMaximum(pollers)
    return PollerBehaviorAutoscaling(minimum=1, maximum=most, initial=min(pollers, most))
