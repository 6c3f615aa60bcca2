-- Which entries of a batch were parked, by their places, and whether each was edited since.
SELECT ordinal, entry_id, edited_by IS NOT NULL FROM dead_letters WHERE batch_id = %(batch_id)s
