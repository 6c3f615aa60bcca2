-- The cosignatures of a ledger, newest first, each with the stored checkpoint of its size and whether it is of
-- exactly that text: some that are not, and some that are.
(
    SELECT k.witness, k.size, k.line, c.note, false AS fits
    FROM cosignatures AS k
    LEFT JOIN checkpoints AS c ON c.tenant = %(tenant)s AND c.size = k.size
    WHERE k.origin = ANY(%(origins)s) AND k.text_hash IS DISTINCT FROM sha256(
        convert_to(k.origin, 'UTF8') || substring(
            c.note
            FROM position('\x0a'::bytea IN c.note)
            FOR greatest(position('\x0a0a'::bytea IN c.note) - position('\x0a'::bytea IN c.note) + 1, 0)
        )
    )
    ORDER BY k.size DESC
    LIMIT %(limit)s
)
UNION ALL
(
    SELECT k.witness, k.size, k.line, c.note, true AS fits
    FROM cosignatures AS k
    JOIN checkpoints AS c ON c.tenant = %(tenant)s AND c.size = k.size
    WHERE k.origin = ANY(%(origins)s)
        AND k.text_hash = sha256(substring(c.note FROM 1 FOR position('\x0a0a'::bytea IN c.note)))
    ORDER BY k.size DESC
    LIMIT %(limit)s
)
