"""Which encryption keys the payloads that lie in Temporal need, and whether this process holds them.

`open_workflows` reads the histories of open workflows, `closed_workflows` those of runs that a query may still replay,
`schedules` what schedules carry; `watch` raises an alarm about the first. May import: codec, keys, domain, config,
errors.
"""
