-- The place has accepted the ledger's checkpoint again.
UPDATE refused_checkpoints SET settled_at = clock_timestamp()
WHERE origin = %(origin)s AND place = %(place)s AND settled_at IS NULL
