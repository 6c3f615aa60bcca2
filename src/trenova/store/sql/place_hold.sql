INSERT INTO legal_holds (tenant, actor, action, target, occurred_from, occurred_to, name, reason, placed_by)
VALUES (
    %(tenant)s, %(actor)s, %(action)s, %(target)s, %(occurred_from)s, %(occurred_to)s, %(name)s, %(reason)s, %(by)s
)
RETURNING id, placed_at
