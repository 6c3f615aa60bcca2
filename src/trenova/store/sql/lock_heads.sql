-- Lock every touched head in sorted order, so that no two batches deadlock. Returns what the previous holder of the
-- lock committed.
SELECT tenant, size, frontier FROM heads WHERE tenant = ANY(%(tenants)s::text[]) ORDER BY tenant FOR UPDATE
