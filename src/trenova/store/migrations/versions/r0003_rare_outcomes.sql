-- Few entries fail or are denied, and those are looked for most: an index of them alone costs next to nothing.
CREATE INDEX entries_by_rare_outcome ON entries (tenant, outcome, occurred_at, id) WHERE outcome <> 'success';
