-- Rows %(begin)s to %(end)s of a log as it looks in production: tenants from 0.003 to 70 in a hundred, one that wrote long
-- ago (the negative rows), a second between two rows, few actors and actions with most of the entries, rare ones.
INSERT INTO entries (tenant, index, id, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id, outcome, body, salt, commitment)
SELECT tenant, index, id, moment, moment, 'user', actor, action, 'shipment', target, outcome,
    convert_to(format('{"action":"%%s","actor":{"id":"%%s","type":"user"},"id":"%%s","occurred_at":"%%s","outcome":"%%s","received_at":"%%s","target":{"id":"%%s","type":"shipment"},"tenant":"%%s"}',
        action, actor, id, moment, outcome, moment, target, tenant), 'UTF8'),
    uuid_send(id), sha256(uuid_send(id))
FROM (
    SELECT
        CASE WHEN n < 0 THEN 'gone' WHEN part < 70 THEN 'large' WHEN part < 90 THEN 'middle' WHEN part < 97 THEN 'minor'
            ELSE 'small-' || hundred %% 1000 END AS tenant,
        CASE WHEN n < 0 THEN n + 5000 WHEN part < 70 THEN hundred * 70 + part WHEN part < 90 THEN hundred * 20 + part - 70
            WHEN part < 97 THEN hundred * 7 + part - 90 ELSE hundred / 1000 * 3 + part - 97 END AS index,
        gen_random_uuid() AS id,
        timestamptz '2025-01-01Z' + n * interval '1 second' AS moment,
        CASE WHEN n %% 50021 = 7 THEN 'auditor' ELSE 'user-' || floor(1000 * power(random(), 3)) END AS actor,
        CASE WHEN n %% 20011 = 3 THEN 'billing.refund' ELSE (ARRAY['shipment.update', 'shipment.create', 'user.login', 'invoice.read',
            'shipment.cancel', 'user.logout', 'invoice.send', 'customer.update', 'key.create', 'key.revoke'])[1 + floor(10 * power(random(), 3))::int] END AS action,
        's-' || floor(100000 * random()) AS target,
        CASE WHEN n %% 1009 = 5 THEN 'denied' WHEN random() < 0.03 THEN 'failure' ELSE 'success' END AS outcome
    FROM (SELECT n, n / 100 AS hundred, n %% 100 AS part FROM generate_series(%(begin)s::bigint, %(end)s::bigint) AS n) AS numbers
    OFFSET 0
) AS made
