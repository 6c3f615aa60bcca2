-- Tiles with more hashes than a ledger of this size has there. Tiles with fewer are found hash by hash.
SELECT level, index, expected, got
FROM (
    SELECT
        level, index, octet_length(hashes) / 32 AS got,
        -- A shift by 64 or more would start again at 0.
        CASE WHEN level < 8 THEN greatest(0, least(256, (%(size)s::bigint >> 8 * level) - index * 256)) ELSE 0 END
            AS expected
    FROM tiles
    WHERE tenant = %(tenant)s
) AS sizes
WHERE got > expected
ORDER BY level, index
