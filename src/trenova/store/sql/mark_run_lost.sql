-- Temporal no longer has this run, so its batch cannot be recovered.
UPDATE unstored_runs SET settled_at = clock_timestamp(), reason = coalesce(reason, 'its history is gone')
WHERE run_id = %(run_id)s
