-- Temporal has forgotten this run: nobody can try it again.
UPDATE unstored_runs SET settled_at = clock_timestamp(), reason = coalesce(reason, 'its history is gone')
WHERE run_id = %(run_id)s
