-- How many entries are parked, and since when the oldest is.
SELECT count(*), min(parked_at) FROM dead_letters WHERE stored_at IS NULL
