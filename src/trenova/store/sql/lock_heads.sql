-- Lock every touched head, in sorted order, so that two batches never wait for each other in a circle. What it gives is
-- what the last holder of the lock committed.
SELECT tenant, size, frontier FROM heads WHERE tenant = ANY(%(tenants)s::text[]) ORDER BY tenant FOR UPDATE
