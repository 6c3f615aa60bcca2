-- Whether an entry that a log received at this moment has lost its content, as old ones do.
SELECT EXISTS (
    SELECT FROM entries WHERE tenant = %(tenant)s AND received_at = %(moment)s AND body IS NULL
)
