-- A cosignature is of the text that it was made over, not of a size: a log that was set back and has grown differently
-- has another text at that size, and must not be shown with it. Bytes are cut, not text: a damaged note must not raise.
ALTER TABLE cosignatures ADD COLUMN text_hash bytea;
COMMENT ON COLUMN cosignatures.text_hash IS 'SHA-256 of the checkpoint''s text, which the line signs.';

-- Of those that are there the checkpoint that is kept at their size says what they are of: under their own origin. One
-- without a checkpoint gets the hash of nothing, and is shown with nothing.
ALTER TABLE cosignatures DISABLE TRIGGER append_only;
UPDATE cosignatures AS k SET text_hash = coalesce((
    SELECT sha256(convert_to(k.origin, 'UTF8') || substring(
        c.note
        FROM position('\x0a'::bytea IN c.note)
        FOR greatest(position('\x0a0a'::bytea IN c.note) - position('\x0a'::bytea IN c.note) + 1, 0)
    ))
    FROM checkpoints AS c
    WHERE c.tenant = substring(k.origin FROM '[^/]*$') AND c.size = k.size
), decode(repeat('00', 32), 'hex'));
ALTER TABLE cosignatures ENABLE TRIGGER append_only;

ALTER TABLE cosignatures
    ALTER COLUMN text_hash SET NOT NULL,
    ADD CONSTRAINT text_hash_length CHECK (octet_length(text_hash) = 32),
    DROP CONSTRAINT cosignatures_pkey,
    ADD PRIMARY KEY (origin, size, witness, text_hash);
CREATE INDEX cosignatures_by_text ON cosignatures (text_hash, witness);

CREATE TABLE refused_checkpoints (
    origin text COLLATE "C" NOT NULL,
    place text COLLATE "C" NOT NULL,
    number smallint NOT NULL CHECK (number BETWEEN 1 AND 100),
    size bigint NOT NULL,
    note bytea NOT NULL,
    status smallint NOT NULL,
    answer bytea NOT NULL CHECK (octet_length(answer) <= 4096),
    reason text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    times bigint NOT NULL DEFAULT 1,
    settled_at timestamptz,
    PRIMARY KEY (origin, place, number)
);
COMMENT ON TABLE refused_checkpoints IS 'Checkpoints of ours that a witness has refused, or that a published file contradicts: evidence.';
COMMENT ON COLUMN refused_checkpoints.place IS 'The witness, as <name>+<id> of its key, or `folder`.';
COMMENT ON COLUMN refused_checkpoints.number IS 'The first 100 of a log and place are kept; later ones are counted with the last.';
COMMENT ON COLUMN refused_checkpoints.status IS 'HTTP status of the answer; 0 where there was none.';
COMMENT ON COLUMN refused_checkpoints.answer IS 'The beginning of what the witness answered, or of the file that is there.';
COMMENT ON COLUMN refused_checkpoints.settled_at IS 'Since when the place has taken a checkpoint of the log again; NULL: it is refused.';
CREATE INDEX refused_checkpoints_now ON refused_checkpoints (place, origin) WHERE settled_at IS NULL;

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON refused_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER evidence_stays BEFORE UPDATE ON refused_checkpoints FOR EACH ROW
    WHEN (
        (OLD.origin, OLD.place, OLD.number, OLD.size, OLD.note, OLD.status, OLD.answer, OLD.reason, OLD.refused_at)
        IS DISTINCT FROM
        (NEW.origin, NEW.place, NEW.number, NEW.size, NEW.note, NEW.status, NEW.answer, NEW.reason, NEW.refused_at)
        OR NEW.times < OLD.times
    )
    EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE (last_refused_at, times, settled_at) ON refused_checkpoints TO trenova_app;
