-- Put another body in the place of the parked one, with a record of it, and have it tried at once.
SELECT edit_letter(%(id)s, %(tenant)s, %(entry_id)s, %(body)b, %(edited_by)s)
