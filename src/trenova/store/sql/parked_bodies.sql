-- The parked entries of a batch with the bodies that were accepted; NULL for an entry that is stored since.
SELECT ordinal, coalesce(sent, body) FROM dead_letters
WHERE batch_id = %(batch_id)s AND ordinal = ANY(%(ordinals)s::integer[])
