-- Have parked entries tried at once: one of them, a tenant's, or all.
SELECT make_letters_due(%(tenant)s, %(id)s)
