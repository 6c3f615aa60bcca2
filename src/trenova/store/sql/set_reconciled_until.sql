-- The next comparison begins here. Of two at once the later place remains.
INSERT INTO reconciliations AS r (closed_until, all_at)
VALUES (%(closed_until)s, CASE WHEN %(all)s::boolean THEN clock_timestamp() END)
ON CONFLICT (single) DO UPDATE SET
    closed_until = greatest(r.closed_until, EXCLUDED.closed_until),
    all_at = coalesce(EXCLUDED.all_at, r.all_at),
    finished_at = clock_timestamp()
