-- The checkpoints that end within a stretch: those whose tree has one of its entries as the last.
SELECT size, note FROM checkpoints
WHERE tenant = %(tenant)s AND size > %(first)s AND size <= %(end)s
ORDER BY size
