-- The checkpoints that end within a stretch: those whose last entry is in it.
SELECT size, note FROM checkpoints
WHERE tenant = %(tenant)s AND size > %(first)s AND size <= %(end)s
ORDER BY size
