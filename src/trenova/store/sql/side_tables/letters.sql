-- Letters that are marked as stored but are in no ledger, and parked ones with half of an edit.
SELECT coalesce(d.tenant, ''), 'parked entry ' || d.id,
    CASE WHEN d.stored_at IS NULL THEN 'its editor and the body that was sent, or neither' ELSE 'an entry in the ledger, as it is marked stored' END,
    CASE WHEN d.stored_at IS NULL THEN 'one of them' ELSE 'none' END
FROM dead_letters AS d
WHERE coalesce(d.tenant, '') >= %(first)s AND coalesce(d.tenant, '') <= %(last)s
    AND CASE
        WHEN d.stored_at IS NULL THEN (d.sent IS NULL) <> (d.edited_by IS NULL)
        ELSE NOT EXISTS (SELECT FROM entries AS e WHERE e.tenant = d.tenant AND e.id = d.entry_id)
    END
ORDER BY 1, 2
