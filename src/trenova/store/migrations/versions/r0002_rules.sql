-- The rules of what r0002_trees.sql made, once every row follows them.
ALTER TABLE entries
    ALTER COLUMN commitment SET NOT NULL,
    ADD CONSTRAINT salt_and_body_go_together CHECK ((salt IS NULL) = (body IS NULL)),
    ADD CONSTRAINT salt_length CHECK (octet_length(salt) = 16),
    ADD CONSTRAINT commitment_length CHECK (octet_length(commitment) = 32);
ALTER TABLE entries ENABLE TRIGGER append_only;

ALTER TABLE heads
    ADD CONSTRAINT frontier_fits_size CHECK (octet_length(frontier) = 32 * bit_count(size::bit(64)));
CREATE TRIGGER only_grows BEFORE UPDATE ON heads FOR EACH ROW
    WHEN (NEW.tenant <> OLD.tenant OR NEW.size <= OLD.size)
    EXECUTE FUNCTION refuse_change();

CREATE TRIGGER only_grows BEFORE UPDATE ON tiles FOR EACH ROW
    WHEN (
        (NEW.tenant, NEW.level, NEW.index) IS DISTINCT FROM (OLD.tenant, OLD.level, OLD.index)
        OR substring(NEW.hashes FROM 1 FOR octet_length(OLD.hashes)) <> OLD.hashes
    )
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
