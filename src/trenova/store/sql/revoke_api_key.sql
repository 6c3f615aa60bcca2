-- Returns the id, or NULL where there is no such key.
SELECT revoke_api_key(%(id)s, %(by)s)
