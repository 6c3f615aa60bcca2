-- One checkpoint, and the lines of the witnesses that have cosigned exactly its text.
SELECT c.note, array(
    SELECT k.line
    FROM cosignatures AS k
    WHERE k.text_hash = sha256(substring(c.note FROM 1 FOR position('\x0a0a'::bytea IN c.note)))
    ORDER BY k.witness
)
FROM checkpoints AS c
WHERE c.tenant = %(tenant)s AND c.size = %(size)s
