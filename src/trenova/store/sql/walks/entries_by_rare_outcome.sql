SELECT tenant, id FROM entries
WHERE tenant >= %(first)s AND tenant <= %(last)s AND outcome <> 'success'
ORDER BY tenant, outcome, occurred_at, id
