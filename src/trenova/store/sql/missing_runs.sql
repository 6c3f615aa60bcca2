-- Runs whose batches are still missing, oldest first.
SELECT run_id, workflow_id, ended_as, closed_at, reason FROM unstored_runs
WHERE settled_at IS NULL ORDER BY found_at, run_id LIMIT %(limit)s
