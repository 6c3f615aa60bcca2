-- A page of ledgers whose entries are not kept forever.
SELECT tenant FROM heads
WHERE tenant > %(after)s AND %(tenant)s IN ('', tenant) AND size > 0 AND retention_days(tenant) IS NOT NULL
ORDER BY tenant
LIMIT %(limit)s
