-- Which of these runs, by their position in the arrays, have left no note of storing their batch. A note without a
-- run is of a release that did not note it: it counts for a run that completed.
SELECT asked.place
FROM unnest(%(batch_ids)s::text[], %(run_ids)s::text[], %(completed)s::boolean[])
    WITH ORDINALITY AS asked (batch_id, run_id, completed, place)
-- OFFSET 0: an index lookup for each run.
WHERE NOT EXISTS (
    SELECT FROM batches AS b
    WHERE b.batch_id IN (asked.batch_id, asked.batch_id || '~' || asked.run_id)
        AND (b.run_id = asked.run_id OR (asked.completed AND b.run_id IS NULL))
    OFFSET 0
)
ORDER BY asked.place
