-- What the next removal step would remove.
SELECT cardinality(indexes), bytes, held, next_index, more FROM expired_entries(%(tenant)s, %(from_index)s)
