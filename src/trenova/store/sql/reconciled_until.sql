-- How far closed runs have been compared, and how long ago all of them were.
SELECT closed_until, clock_timestamp() - all_at FROM reconciliations
