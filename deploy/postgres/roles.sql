-- Two logins for one database: trenova_migrate owns and migrates it, trenova_run runs the API and the workers.
-- Run it once, as a superuser:
--
--   psql --file deploy/postgres/roles.sql --set owner_password=… --set run_password=… --dbname postgres
--
-- Send verifiers instead of passwords where the server logs statements (psql: \password).
CREATE ROLE trenova_migrate LOGIN CREATEROLE PASSWORD :'owner_password';
-- The migration gives this role its rights, and makes it where it is missing.
CREATE ROLE trenova_app NOLOGIN;
CREATE ROLE trenova_run LOGIN PASSWORD :'run_password' CONNECTION LIMIT 200;
GRANT trenova_app TO trenova_run;
CREATE DATABASE trenova OWNER trenova_migrate;
REVOKE CONNECT, TEMPORARY ON DATABASE trenova FROM PUBLIC;
-- Appending copies into a temporary table.
GRANT CONNECT, TEMPORARY ON DATABASE trenova TO trenova_app;
