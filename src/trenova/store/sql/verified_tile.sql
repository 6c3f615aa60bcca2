SELECT hashes FROM tiles WHERE tenant = %(tenant)s AND level = 0 AND index = %(index)s
