-- Replace the parked body, record the edit, and make the letter due.
SELECT edit_letter(%(id)s, %(tenant)s, %(entry_id)s, %(body)b, %(edited_by)s)
