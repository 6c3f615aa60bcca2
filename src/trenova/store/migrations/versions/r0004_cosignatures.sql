-- By origin, not by tenant: a witness speaks of the log that a checkpoint names, and under another origin that is another.
-- No foreign key to checkpoints: nothing may stand in the way of an append or of its trigger.
CREATE TABLE cosignatures (
    origin text COLLATE "C" NOT NULL,
    witness text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    line text NOT NULL CHECK (line LIKE '— %' AND line LIKE E'%\n'),
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (origin, size, witness)
);
CREATE INDEX cosignatures_by_witness ON cosignatures (origin, witness, size);
COMMENT ON TABLE cosignatures IS 'What witnesses have said of checkpoints (C2SP tlog-cosignature).';
COMMENT ON COLUMN cosignatures.witness IS 'Name and id of its key, as <name>+<id>.';
COMMENT ON COLUMN cosignatures.line IS 'The signature line, which goes below those of the checkpoint.';
COMMENT ON COLUMN cosignatures.cosigned_at IS 'The witness''s own time, from the line.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON cosignatures TO trenova_app;
