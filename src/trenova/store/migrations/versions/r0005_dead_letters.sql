CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    tenant text COLLATE "C",
    entry_id uuid,
    batch_id text COLLATE "C" NOT NULL,
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    body bytea,
    sent bytea,
    code text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    attempts integer NOT NULL DEFAULT 1 CHECK (attempts > 0),
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_try_at timestamptz NOT NULL,
    edited_by text,
    stored_at timestamptz,
    -- A batch that comes again, because its answer was lost, parks the same entries again: that is one letter.
    UNIQUE (batch_id, ordinal),
    CONSTRAINT body_until_stored CHECK ((body IS NULL) = (stored_at IS NOT NULL))
);
COMMENT ON TABLE dead_letters IS 'Accepted entries that the database refused, each for its own sake. None is ever dropped.';
COMMENT ON COLUMN dead_letters.id IS 'UUIDv7, so in the order in which they were parked.';
COMMENT ON COLUMN dead_letters.tenant IS 'NULL where the body is no entry and names none.';
COMMENT ON COLUMN dead_letters.ordinal IS 'Position in its batch, from 0.';
COMMENT ON COLUMN dead_letters.body IS 'The exact bytes that are tried; NULL once stored: then they are in the log.';
COMMENT ON COLUMN dead_letters.sent IS 'The bytes that were accepted, where `body` was edited since; NULL again once stored.';
COMMENT ON COLUMN dead_letters.code IS 'SQLSTATE of the last refusal; `not_sealed`: the body is no entry; `duplicate`: its id is stored with another content.';

CREATE INDEX dead_letters_parked ON dead_letters (tenant, id) WHERE stored_at IS NULL;
CREATE INDEX dead_letters_due ON dead_letters (next_try_at, id) WHERE stored_at IS NULL;

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON dead_letters
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON dead_letters TO trenova_app;
GRANT UPDATE (tenant, entry_id, body, sent, code, reason, attempts, tried_at, next_try_at, edited_by, stored_at)
    ON dead_letters TO trenova_app;
