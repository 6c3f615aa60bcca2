-- One step through a log: what is expired goes, if anything is. See the function in r0006_retention.sql.
SELECT entry_id, indexes, entries, bytes, days, cut_off, removed_at, next_index, more
FROM remove_entries(%(tenant)s, %(from_index)s)
