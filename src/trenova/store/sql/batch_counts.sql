-- What became of a batch, one row for each tenant. A second run of the same batch can only add to `stored`.
SELECT
    b.tenant,
    sum(b.stored)::integer AS stored,
    greatest(max(b.stored + b.duplicate) - sum(b.stored), 0)::integer AS duplicate,
    max(b.stored_at) AS stored_at
FROM batches AS b
WHERE b.batch_id = %(batch_id)s
GROUP BY b.tenant
ORDER BY b.tenant
