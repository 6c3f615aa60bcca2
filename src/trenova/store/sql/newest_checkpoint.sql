SELECT size, note, signed_at FROM checkpoints WHERE tenant = %(tenant)s ORDER BY size DESC LIMIT 1
