-- A witness that is asked twice says the same twice, at another time: the first is kept.
INSERT INTO cosignatures (origin, witness, size, line, cosigned_at)
VALUES (%(origin)s, %(witness)s, %(size)s, %(line)s, %(cosigned_at)s)
ON CONFLICT (origin, size, witness) DO NOTHING
