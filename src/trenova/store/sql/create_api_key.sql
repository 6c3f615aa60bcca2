-- A new key and its record: the function is in r0009_records.sql.
SELECT create_api_key(%(id)s, %(hash)b, %(name)s, %(tenant)s, %(role)s, %(by)s)
