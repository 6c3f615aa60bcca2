-- Four logins for one database: trenova_migrate owns and migrates it; API servers, workers and the operator's command
-- line have one each, with the permissions that the part needs. Run it once, as a superuser:
--
--   psql --file deploy/postgres/roles.sql --dbname postgres --set owner_password=… --set api_password=… \
--     --set worker_password=… --set operator_password=…
--
-- Send verifiers instead of passwords where the server logs statements (psql: \password).
CREATE ROLE trenova_migrate LOGIN CREATEROLE PASSWORD :'owner_password';
-- The migration grants these roles their permissions.
CREATE ROLE trenova_api NOLOGIN;
CREATE ROLE trenova_worker NOLOGIN;
CREATE ROLE trenova_operator NOLOGIN;
GRANT trenova_api, trenova_worker, trenova_operator TO trenova_migrate WITH ADMIN OPTION;
CREATE ROLE trenova_run_api LOGIN PASSWORD :'api_password' CONNECTION LIMIT 100 IN ROLE trenova_api;
CREATE ROLE trenova_run_worker LOGIN PASSWORD :'worker_password' CONNECTION LIMIT 200 IN ROLE trenova_worker;
CREATE ROLE trenova_run_operator LOGIN PASSWORD :'operator_password' CONNECTION LIMIT 20 IN ROLE trenova_operator;
CREATE DATABASE trenova OWNER trenova_migrate;
REVOKE CONNECT, TEMPORARY ON DATABASE trenova FROM PUBLIC;
GRANT CONNECT ON DATABASE trenova TO trenova_api, trenova_worker, trenova_operator;
-- An append copies into a temporary table.
GRANT TEMPORARY ON DATABASE trenova TO trenova_worker;
\connect trenova
-- Every login could fill the disk with large objects, which nothing here uses.
REVOKE EXECUTE ON FUNCTION
    pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
