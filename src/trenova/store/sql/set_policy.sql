INSERT INTO retention_policies AS p (tenant, days, set_by) VALUES (%(tenant)s, %(days)s, %(by)s)
ON CONFLICT (tenant) DO UPDATE SET days = excluded.days, set_by = excluded.set_by, set_at = excluded.set_at
RETURNING set_at
