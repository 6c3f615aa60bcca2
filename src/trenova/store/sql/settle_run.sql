-- Nothing of this run is missing any more. The notes and letters of its batches say how much was, also if an earlier
-- attempt stored it.
UPDATE unstored_runs AS r SET
    reason = NULL,
    stored = (
        SELECT coalesce(sum(b.stored), 0) FROM batches AS b
        WHERE b.batch_id = ANY (%(batch_ids)s::text[]) AND b.run_id = r.run_id
    ),
    parked = (
        SELECT count(*) FROM dead_letters AS d
        WHERE d.batch_id = ANY (%(batch_ids)s::text[]) AND d.parked_at >= r.found_at
    ),
    settled_at = clock_timestamp()
WHERE r.run_id = %(run_id)s AND r.settled_at IS NULL
RETURNING stored, parked
