"""The slots and pollers of a worker that follow from the settings."""

from typing import Any

import pytest
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
from trenova.worker.tuning import pollers_of, tuner_of


def test_without_targets_there_are_as_many_slots_as_configured() -> None:
    size = WorkerSettings(maxConcurrentActivityExecutionSize=7, maxConcurrentWorkflowTaskExecutionSize=5)
    assert tuner_of(size) == WorkerTuner.create_composite(
        workflow_supplier=FixedSizeSlotSupplier(5),
        activity_supplier=FixedSizeSlotSupplier(7),
        local_activity_supplier=FixedSizeSlotSupplier(2),
        nexus_supplier=FixedSizeSlotSupplier(1),
    )


@pytest.mark.parametrize(
    ("resources", "targets"),
    [({"targetMemory": 0.8}, (0.8, 1.0)), ({"targetCpu": 0.9}, (1.0, 0.9))],
    ids=["memory", "cpu"],
)
def test_with_a_target_the_slots_are_maxima_and_quick_attempts_stay_unchanged(
    resources: dict[str, Any], targets: tuple[float, float]
) -> None:
    tuner = ResourceBasedTunerConfig(*targets)
    assert tuner_of(WorkerSettings.model_validate({"resources": resources})) == WorkerTuner.create_composite(
        workflow_supplier=ResourceBasedSlotSupplier(ResourceBasedSlotConfig(2, 10), tuner),
        activity_supplier=ResourceBasedSlotSupplier(ResourceBasedSlotConfig(1, 10), tuner),
        local_activity_supplier=FixedSizeSlotSupplier(2),
        nexus_supplier=FixedSizeSlotSupplier(1),
    )


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (None, PollerBehaviorSimpleMaximum(4)),
        (20, PollerBehaviorAutoscaling(minimum=1, maximum=20, initial=4)),
        (3, PollerBehaviorAutoscaling(minimum=1, maximum=3, initial=3)),
    ],
)
def test_the_number_of_pollers_is_fixed_or_follows_the_load(most: int | None, expected: PollerBehavior) -> None:
    assert pollers_of(4, most) == expected
