-- Note a run before its batch is stored: a crash in between leaves the finding, and a run that is retried.
INSERT INTO unstored_runs (run_id, workflow_id, ended_as, closed_at, reason)
VALUES (%(run_id)s, %(workflow_id)s, %(ended_as)s, %(closed_at)s, %(reason)s)
ON CONFLICT (run_id) DO UPDATE SET reason = EXCLUDED.reason
