#!/bin/sh
# Temporal's tables, and OpenSearch's index where there is one. Every step may be repeated.
set -eu
SQL_PASSWORD="$(cat /run/secrets/temporal_password)"
export SQL_PASSWORD
schema=/etc/temporal/schema/postgresql/v12

tool() { # DATABASE COMMAND…
  database=$1
  shift
  temporal-sql-tool --plugin postgres12 --ep temporal-postgres -p 5432 -u temporal --db "$database" "$@"
}
prepare() { # DATABASE FOLDER
  tool "$1" create
  tool "$1" setup-schema -v 0.0
  tool "$1" update-schema -d "$schema/$2/versioned"
}

prepare temporal temporal
if [ -n "${OPENSEARCH:-}" ]; then
  temporal-elasticsearch-tool --ep "$OPENSEARCH" setup-schema
  temporal-elasticsearch-tool --ep "$OPENSEARCH" create-index --index temporal_visibility_v1
else
  prepare temporal_visibility visibility
fi
