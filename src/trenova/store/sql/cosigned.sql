-- One checkpoint, and the lines of the witnesses that have cosigned it.
SELECT c.note, array(
    SELECT k.line
    FROM cosignatures AS k
    WHERE k.origin = split_part(convert_from(c.note, 'UTF8'), E'\n', 1) AND k.size = c.size
    ORDER BY k.witness
)
FROM checkpoints AS c
WHERE c.tenant = %(tenant)s AND c.size = %(size)s
