-- Note a run before its batch is stored: whoever dies in between leaves a run that is tried again, and the finding.
INSERT INTO unstored_runs (run_id, workflow_id, ended_as, closed_at, reason)
VALUES (%(run_id)s, %(workflow_id)s, %(ended_as)s, %(closed_at)s, %(reason)s)
ON CONFLICT (run_id) DO UPDATE SET reason = EXCLUDED.reason
