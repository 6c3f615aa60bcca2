SELECT p.tenant, 'the position of retention', coalesce(h.size, 0) || ' or less, the size of the log', p.index::text
FROM retention_positions AS p
LEFT JOIN heads AS h ON h.tenant = p.tenant
WHERE p.tenant >= %(first)s AND p.tenant <= %(last)s AND p.index > coalesce(h.size, 0)
ORDER BY p.tenant
