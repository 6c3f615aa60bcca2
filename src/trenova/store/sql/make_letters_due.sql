-- Make parked entries due for a retry: one of them, those of a tenant, or all.
SELECT make_letters_due(%(tenant)s, %(id)s)
