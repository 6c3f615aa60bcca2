"""The workflow that verifies the stored ledgers, every night and whenever an operator starts it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from trenova.activities import VerificationActivities
    from trenova.domain.verification import Verification, VerifyRequest
    from trenova.errors import LedgerDamaged

# Every 4,096 entries send a heartbeat; on a machine that stalls they may take minutes.
HEARTBEAT_TIMEOUT = timedelta(minutes=10)
TIMEOUT = timedelta(days=7)
RETRY = RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=0)


@workflow.defn(name="VerifyLogsWorkflow")
class VerifyLogsWorkflow:
    @workflow.run
    async def run(self, request: VerifyRequest | None = None) -> Verification:
        """Verify all ledgers, or one. Fails with the number of damaged places, and the first of them as details."""
        verification = await workflow.execute_activity_method(
            VerificationActivities.verify_logs,
            request or VerifyRequest(),
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
        )
        if verification.damaged:
            raise ApplicationError(
                f"damaged places in the ledgers: {verification.damaged}; the first: {verification.places[0]}",
                verification,
                type=LedgerDamaged.failure_type,
                non_retryable=True,
            )
        return verification
