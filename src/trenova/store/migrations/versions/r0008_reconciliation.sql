ALTER TABLE batches ADD COLUMN run_id text COLLATE "C";
COMMENT ON COLUMN batches.run_id IS 'The run of the workflow that stored it; NULL: no workflow did, or a release that did not note it.';

CREATE TABLE unstored_runs (
    run_id text COLLATE "C" PRIMARY KEY,
    workflow_id text COLLATE "C" NOT NULL,
    ended_as text NOT NULL,
    closed_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text CHECK (reason <> ''),
    stored integer NOT NULL DEFAULT 0 CHECK (stored >= 0),
    parked integer NOT NULL DEFAULT 0 CHECK (parked >= 0),
    settled_at timestamptz
);
COMMENT ON TABLE unstored_runs IS 'Runs that closed without their batch being stored, one row each. None is ever deleted.';
COMMENT ON COLUMN unstored_runs.ended_as IS 'How Temporal says that the run ended: terminated, failed, completed, …';
COMMENT ON COLUMN unstored_runs.reason IS 'Why its batch cannot be stored; NULL while it has not been tried, and once it is stored.';
COMMENT ON COLUMN unstored_runs.stored IS 'Entries that were stored from the history of the run.';
COMMENT ON COLUMN unstored_runs.parked IS 'Entries that were parked from it.';
COMMENT ON COLUMN unstored_runs.settled_at IS 'When nothing of it was missing any more, or its history was gone; NULL: it is tried again.';

CREATE INDEX unstored_runs_open ON unstored_runs (found_at) WHERE settled_at IS NULL;
CREATE INDEX unstored_runs_settled ON unstored_runs (settled_at);

CREATE TABLE reconciliations (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    closed_until timestamptz,
    all_at timestamptz,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE reconciliations IS 'One row: how far closed runs have been compared with the stored batches.';
COMMENT ON COLUMN reconciliations.closed_until IS 'The latest time of closing among the runs compared, by Temporal''s clock.';
COMMENT ON COLUMN reconciliations.all_at IS 'When all runs that Temporal still knew were compared for the last time.';

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON unstored_runs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON unstored_runs, reconciliations TO trenova_app;
GRANT UPDATE (reason, stored, parked, settled_at) ON unstored_runs TO trenova_app;
GRANT UPDATE (closed_until, all_at, finished_at) ON reconciliations TO trenova_app;
