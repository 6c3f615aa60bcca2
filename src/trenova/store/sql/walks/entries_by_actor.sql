SELECT tenant, id FROM entries
WHERE tenant >= %(first)s AND tenant <= %(last)s AND body IS NOT NULL
ORDER BY tenant, actor_id, occurred_at, id
