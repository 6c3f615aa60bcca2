-- Runs whose batches were stored from their histories since a moment, latest first.
SELECT run_id, workflow_id, ended_as, closed_at, reason FROM unstored_runs
WHERE settled_at >= %(since)s AND stored + parked > 0 ORDER BY settled_at DESC LIMIT %(limit)s
