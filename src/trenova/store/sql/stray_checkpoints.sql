-- The largest size that was signed, and how many signed sizes are larger than the ledger: at most one row.
SELECT max(size), count(*) FROM checkpoints WHERE tenant = %(tenant)s AND size > %(size)s HAVING count(*) > 0
