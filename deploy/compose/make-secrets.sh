#!/bin/sh
# Creates what is missing in the folder `secrets`, and never replaces anything: with a new signing key your ledgers would
# be different ledgers, and a lost encryption key makes payloads unreadable. Keep a copy of the folder in your secret store.
#
# TRENOVA names the program: the image, or `TRENOVA=trenova` where it is installed.
set -eu
cd "$(dirname "$0")"
secrets=${1:-secrets}
TRENOVA=${TRENOVA:-docker run --rm --read-only --network none --env TRENOVA_LEDGER__ORIGIN trenova:0.1.0}

umask 077
mkdir -p "$secrets/encryption-keys"
# Containers read single files with their own user ids; on this machine only the owner may enter the folder.
chmod 700 "$secrets"
chmod 755 "$secrets/encryption-keys"

# put NAME: write standard input to the file, completely or not at all.
put() {
  cat > "$secrets/$1.new"
  test -s "$secrets/$1.new" || { rm -f "$secrets/$1.new"; echo "error: nothing to put into $secrets/$1" >&2; exit 1; }
  chmod 444 "$secrets/$1.new"
  mv "$secrets/$1.new" "$secrets/$1"
  echo "made $secrets/$1"
}
password() { head -c 24 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'; }
# Logins are libpq's connection service files: host, user and password in one file and not in a variable.
service() { # USER PASSWORD_FILE
  printf '[trenova]\nhost=postgres\nport=5432\ndbname=trenova\nuser=%s\npassword=%s\n' "$1" "$(cat "$secrets/$2")"
}

for name in postgres_password owner_password api_password worker_password operator_password temporal_password; do
  test -e "$secrets/$name" || password | put "$name"
done
for part in api worker operator; do
  test -e "$secrets/$part.pg_service.conf" || service "trenova_run_$part" "${part}_password" | put "$part.pg_service.conf"
done
test -e "$secrets/owner.pg_service.conf" || service trenova_migrate owner_password | put owner.pg_service.conf
test -e "$secrets/signing-key" ||
  $TRENOVA keys generate --signing | sed "s/^export TRENOVA_SIGNING_KEY='\(.*\)'\$/\1/" | put signing-key
test -e "$secrets/encryption-keys/production" ||
  head -c 32 /dev/urandom | base64 | put encryption-keys/production
