-- What became of a batch, a row a tenant. A second run of the same batch can only add to `stored`.
SELECT
    b.tenant,
    sum(b.stored)::integer AS stored,
    greatest(max(b.stored + b.duplicate) - sum(b.stored), 0)::integer AS duplicate,
    max(b.stored_at) AS stored_at,
    max(h.size) AS size
FROM batches AS b
JOIN heads AS h ON h.tenant = b.tenant
WHERE b.batch_id = %(batch_id)s
GROUP BY b.tenant
ORDER BY b.tenant
