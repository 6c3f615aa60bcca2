-- The largest size that was signed, and how many that are larger than the log: none or one row.
SELECT max(size), count(*) FROM checkpoints WHERE tenant = %(tenant)s AND size > %(size)s HAVING count(*) > 0
