-- The tiles of one log by (level, index); those that are not there are absent.
SELECT t.level, t.index, t.hashes
FROM unnest(%(levels)s::smallint[], %(indexes)s::bigint[]) AS asked (level, index)
JOIN tiles AS t ON t.tenant = %(tenant)s AND t.level = asked.level AND t.index = asked.index
