-- A role for each kind of process. A login is put into one of them: GRANT trenova_api TO some_login. Roles belong to the
-- whole server: another database of ours may have made them.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['trenova_api', 'trenova_worker', 'trenova_operator'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- Whoever has a login in trenova_app goes on working until it is moved: API and worker in one, and nothing of the keys.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['trenova_api', 'trenova_worker'] LOOP
        CONTINUE WHEN pg_has_role('trenova_app', role, 'USAGE');
        BEGIN
            EXECUTE format('GRANT %I TO trenova_app', role);
        EXCEPTION WHEN insufficient_privilege THEN
            IF EXISTS (SELECT FROM pg_auth_members AS m WHERE m.roleid = 'trenova_app'::regrole) THEN
                RAISE EXCEPTION 'the role % may not grant %', current_user, role USING
                    ERRCODE = 'insufficient_privilege',
                    HINT = 'As a superuser: GRANT trenova_api, trenova_worker TO trenova_app; then migrate again';
            END IF;
        END;
    END LOOP;
END
$$;

-- The database is ours where we own it: nobody makes temporary tables in it but workers, who append by way of one.
DO $$
DECLARE
    name text := current_database();
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO trenova_api, trenova_worker, trenova_operator', current_schema());
    IF (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database AS d WHERE d.datname = name) THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', name);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO trenova_api, trenova_worker, trenova_operator', name);
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO trenova_worker', name);
    END IF;
    -- A server that came from PostgreSQL 14 still lets everybody create in the schema public.
    IF (SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace AS n WHERE n.nspname = current_schema()) THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    END IF;
    -- Anybody may fill the disk with large objects, unless a superuser says otherwise.
    IF (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
        REVOKE EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea)
            FROM PUBLIC;
    END IF;
END
$$;

REVOKE ALL ON entries, heads, batches, api_keys, tiles, checkpoints, cosignatures, dead_letters, retention_policies,
    legal_holds, retention_positions, removals, refused_checkpoints, unstored_runs, reconciliations, schema_version
    FROM trenova_app;
-- Of releases from before, which run on while the new ones come: they look keys up themselves, and empty what they settle.
GRANT SELECT ON api_keys TO trenova_app;
GRANT UPDATE (body, sent) ON dead_letters TO trenova_app;

GRANT SELECT ON entries, heads, batches, tiles, checkpoints, cosignatures, dead_letters, refused_checkpoints,
    unstored_runs, reconciliations, schema_version
    TO trenova_api, trenova_worker, trenova_operator;
GRANT SELECT ON retention_policies, legal_holds, retention_positions, removals, system_records
    TO trenova_worker, trenova_operator;
GRANT SELECT (id, name, tenant, role, created_at, revoked_at, fingerprint) ON api_keys
    TO trenova_worker, trenova_operator;

GRANT INSERT ON entries TO trenova_worker;
GRANT INSERT (tenant), UPDATE (size, frontier) ON heads TO trenova_worker;
GRANT INSERT (tenant, batch_id, run_id, first_index, stored, duplicate) ON batches TO trenova_worker;
GRANT INSERT, UPDATE (hashes) ON tiles TO trenova_worker;
GRANT INSERT (tenant, size, note) ON checkpoints TO trenova_worker;
GRANT INSERT ON cosignatures TO trenova_worker;
GRANT INSERT, UPDATE (last_refused_at, times, settled_at) ON refused_checkpoints TO trenova_worker;
GRANT INSERT, UPDATE (reason, stored, parked, settled_at) ON unstored_runs TO trenova_worker;
GRANT INSERT, UPDATE (closed_until, all_at, finished_at) ON reconciliations TO trenova_worker;
GRANT INSERT (id, tenant, entry_id, batch_id, ordinal, body, code, reason, next_try_at) ON dead_letters
    TO trenova_worker;
GRANT UPDATE (tenant, entry_id, code, reason, attempts, tried_at, next_try_at, stored_at) ON dead_letters
    TO trenova_worker;
GRANT UPDATE (appended_at) ON system_records TO trenova_worker;

-- Names mean what they meant here, whatever the caller has made in his temporary schema; and a function is for those
-- that it is granted to. So it is with functions that later migrations make.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
DO $$
DECLARE
    name regprocedure;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'refuse_change()', 'go_back()', 'refuse_unrecorded()', 'retention_days(text)', 'expired_entries(text, bigint)',
        'remove_entries(text, bigint)', 'guard_record()', 'refuse_unrecorded_key()', 'guard_letter()',
        'find_api_keys(text[], bytea[])', 'create_api_key(text, bytea, text, text, text, text)',
        'revoke_api_key(text, text)', 'edit_letter(uuid, text, uuid, bytea, text)', 'make_letters_due(text, uuid)',
        'checkpoint_claim(bytea)', 'sign_anew(text[], bigint[], bytea[])'
    ]::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, trenova_app', name);
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION find_api_keys(text[], bytea[]), edit_letter(uuid, text, uuid, bytea, text),
    make_letters_due(text, uuid) TO trenova_api;
GRANT EXECUTE ON FUNCTION remove_entries(text, bigint), expired_entries(text, bigint), retention_days(text),
    sign_anew(text[], bigint[], bytea[]) TO trenova_worker;
GRANT EXECUTE ON FUNCTION create_api_key(text, bytea, text, text, text, text), revoke_api_key(text, text),
    find_api_keys(text[], bytea[]), expired_entries(text, bigint), retention_days(text) TO trenova_operator;
