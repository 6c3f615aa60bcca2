SELECT index, salt, commitment, body FROM entries WHERE tenant = %(tenant)s AND id = %(id)s
