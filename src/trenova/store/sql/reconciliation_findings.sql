-- What all comparisons have found, and when the last one finished.
SELECT
    count(*) FILTER (WHERE stored + parked > 0),
    coalesce(sum(stored + parked), 0),
    max(settled_at) FILTER (WHERE stored + parked > 0),
    count(*) FILTER (WHERE settled_at IS NULL),
    count(*) FILTER (WHERE settled_at IS NOT NULL AND reason IS NOT NULL),
    (SELECT finished_at FROM reconciliations)
FROM unstored_runs
