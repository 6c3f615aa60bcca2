SELECT size, note, signed_at FROM checkpoints WHERE tenant = %(tenant)s AND size = %(size)s
