-- Whether the content of an entry that a ledger received at this moment was removed, as that of old ones is.
SELECT EXISTS (
    SELECT FROM entries WHERE tenant = %(tenant)s AND received_at = %(moment)s AND body IS NULL
)
