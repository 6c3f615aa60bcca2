-- What a proof needs of an entry. Old rows get theirs in r0002_trees.py, so that no rule may stand in its way yet.
ALTER TABLE entries ADD COLUMN salt bytea, ADD COLUMN commitment bytea, ALTER COLUMN body DROP NOT NULL;
COMMENT ON COLUMN entries.salt IS '16 random bytes; NULL once the body is removed, so that nothing can be learned of it.';
COMMENT ON COLUMN entries.commitment IS 'SHA-256 over salt and body: what the leaf of the tree is made of. Never removed.';
COMMENT ON COLUMN entries.body IS 'The exact canonical JSON; NULL once removed. The other columns repeat parts of it to be searched.';
ALTER TABLE entries DISABLE TRIGGER append_only;

ALTER TABLE heads ADD COLUMN frontier bytea NOT NULL DEFAULT '';
COMMENT ON COLUMN heads.frontier IS '32-byte hashes of the complete subtrees, largest first: one for each 1 bit of size.';

CREATE TABLE tiles (
    tenant text COLLATE "C" NOT NULL,
    level smallint NOT NULL CHECK (level >= 0),
    index bigint NOT NULL CHECK (index >= 0),
    hashes bytea NOT NULL CHECK (hashes <> '' AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (tenant, level, index)
);
-- Hashes do not compress: trying costs time and gains nothing.
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE tiles IS 'The tenants'' trees (C2SP tlog-tiles): rows of 32-byte hashes, cut into tiles of 256.';
COMMENT ON COLUMN tiles.level IS '0: leaf hashes; a hash of level L is the root of 256^L leaves.';

CREATE TABLE checkpoints (
    tenant text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    note bytea NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, size)
);
COMMENT ON TABLE checkpoints IS 'Every signed checkpoint (C2SP tlog-checkpoint) that a log ever had: one for each append.';

GRANT UPDATE (frontier) ON heads TO trenova_app;
GRANT SELECT, INSERT, UPDATE (hashes) ON tiles TO trenova_app;
GRANT SELECT, INSERT, UPDATE (note, signed_at) ON checkpoints TO trenova_app;
