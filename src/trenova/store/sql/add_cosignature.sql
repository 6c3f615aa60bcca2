-- add_cosignature
-- A witness that is asked twice says the same twice, at another time: the first is kept. What it has refused of the log
-- before is settled.
WITH settled AS (
    UPDATE refused_checkpoints SET settled_at = clock_timestamp()
    WHERE origin = %(origin)s AND place = %(witness)s AND settled_at IS NULL
)
INSERT INTO cosignatures (origin, witness, size, text_hash, line, cosigned_at)
VALUES (%(origin)s, %(witness)s, %(size)s, %(text_hash)b, %(line)s, %(cosigned_at)s)
ON CONFLICT (origin, size, witness, text_hash) DO NOTHING
