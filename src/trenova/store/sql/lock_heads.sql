-- Lock every touched head, in sorted order, so that two batches never wait for each other in a circle.
SELECT tenant FROM heads WHERE tenant = ANY(%(tenants)s::text[]) ORDER BY tenant FOR UPDATE
