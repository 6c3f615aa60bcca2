-- How many ledgers have a newest checkpoint that this witness has not cosigned for a while, and since when the
-- oldest of these checkpoints has been waiting.
SELECT count(*), min(c.signed_at)
FROM heads AS h
JOIN checkpoints AS c ON c.tenant = h.tenant AND c.size = h.size
WHERE h.size > 0 AND c.signed_at < now() - make_interval(secs => %(seconds)s) AND coalesce((
    SELECT false
    FROM cosignatures AS k
    WHERE k.text_hash = sha256(substring(c.note FROM 1 FOR position('\x0a0a'::bytea IN c.note)))
        AND k.witness = %(witness)s
    LIMIT 1
), true)
