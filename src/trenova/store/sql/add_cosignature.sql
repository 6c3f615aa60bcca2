-- Keep a witness's cosignature. A witness that is asked twice answers twice, at different times: the first answer is
-- kept. The cosignature settles what the witness declined of this ledger before.
WITH settled AS (
    UPDATE refused_checkpoints SET settled_at = clock_timestamp()
    WHERE origin = %(origin)s AND place = %(witness)s AND settled_at IS NULL
)
INSERT INTO cosignatures (origin, witness, size, text_hash, line, cosigned_at)
VALUES (%(origin)s, %(witness)s, %(size)s, %(text_hash)b, %(line)s, %(cosigned_at)s)
ON CONFLICT (origin, size, witness, text_hash) DO NOTHING
