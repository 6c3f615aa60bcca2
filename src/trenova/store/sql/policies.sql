-- The default first, then by tenant.
SELECT tenant, days, set_by, set_at FROM retention_policies ORDER BY tenant <> '*', tenant
