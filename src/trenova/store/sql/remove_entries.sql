-- One step through a ledger: removes what is expired there. The function is in r0006_retention.sql.
SELECT entry_id, indexes, entries, bytes, days, cut_off, removed_at, next_index, more
FROM remove_entries(%(tenant)s, %(from_index)s)
