SELECT tenant, id FROM entries
WHERE tenant >= %(first)s AND tenant <= %(last)s
ORDER BY tenant, id
