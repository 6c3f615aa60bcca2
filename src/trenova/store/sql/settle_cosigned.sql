-- Settle the conflicts of ledgers that are again as this witness cosigned them last: the right tables were restored.
UPDATE refused_checkpoints AS r SET settled_at = clock_timestamp()
WHERE r.place = %(witness)s AND r.settled_at IS NULL AND EXISTS (
    SELECT FROM heads AS h
    JOIN checkpoints AS c ON c.tenant = h.tenant AND c.size = h.size
    JOIN cosignatures AS k ON k.text_hash = sha256(substring(c.note FROM 1 FOR position('\x0a0a'::bytea IN c.note)))
    WHERE r.origin = %(prefix)s || '/' || h.tenant AND h.tenant = substring(r.origin FROM '[^/]*$')
        AND k.witness = r.place AND k.origin = r.origin
        AND k.size = (SELECT max(m.size) FROM cosignatures AS m WHERE m.origin = r.origin AND m.witness = r.place)
)
