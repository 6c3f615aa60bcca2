#!/bin/sh
# Run once by the image of PostgreSQL, on an empty volume. Passwords come from files and are never arguments.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
\set owner_password \`cat /run/secrets/owner_password\`
\set api_password \`cat /run/secrets/api_password\`
\set worker_password \`cat /run/secrets/worker_password\`
\set operator_password \`cat /run/secrets/operator_password\`
\i /etc/trenova/roles.sql
SQL
