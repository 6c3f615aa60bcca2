-- Heads for tenants that write for the first time, in sorted order as everywhere.
INSERT INTO heads (tenant)
SELECT unnest(%(tenants)s::text[])
ON CONFLICT DO NOTHING
