# shellcheck shell=bash
# The private PostgreSQL, Redis and Kafka: for each how it is made, started and seen to be ready.
# Sourced after common.sh, by ./bootstrap and by the integration tests (through ./service).
#
# Everything is on the loopback. PostgreSQL and Redis want the password in $STACK_DIR/password;
# over PostgreSQL's own socket, in a folder that only its user can enter, none is needed.

: "${STACK_POSTGRES_PORT:=15432}" "${STACK_REDIS_PORT:=16379}"
: "${STACK_KAFKA_PORT:=19092}" "${STACK_KAFKA_CONTROLLER_PORT:=19093}"
: "${STACK_KAFKA_HOME:=$STACK_DIR/kafka}"
STACK_USER=crypto_pulse
STACK_DATABASE=crypto_pulse

stack_prepare() {
        mkdir -p "$STACK_DIR/run" "$STACK_DIR/log" "$STACK_DIR/data"
        [ -s "$STACK_DIR/password" ] || make_password
        STACK_PASSWORD=$(<"$STACK_DIR/password")
}

# Services may be started at the same moment: the link makes one of them the first.
make_password() {
        local file=$STACK_DIR/password.$$
        (umask 077 && head -c 18 /dev/urandom | base64 | tr '+/' 'ab' >"$file")
        ln "$file" "$STACK_DIR/password" 2>/dev/null || true
        rm -f "$file"
}

service_start() { "$1_start"; }
service_ready() { "$1_ready" >/dev/null 2>&1; }

# ---- PostgreSQL -----------------------------------------------------------------------------
# It refuses to run as root, so then it runs as the user postgres, who may not be able to reach
# the checkout by its path (/root/...). It gets its folder as an open descriptor, which needs none.

postgres_folder() { printf '%s\n' "$STACK_DIR/data/postgres"; }

# The newest that is installed: prints the folder of its programs.
postgres_programs() {
        local newest
        newest=$(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -V |
                while read -r bin; do [ ! -x "$bin/postgres" ] || printf '%s\n' "$bin"; done | tail -n 1)
        [ -n "$newest" ] || newest=$(dirname "$(command -v postgres)") || return 1
        printf '%s\n' "$newest"
}

# What goes before a command that must run as a user who may run PostgreSQL.
if [ "$(id -u)" = 0 ]; then
        as_owner=(setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/)
else
        as_owner=(env)
fi

# A private folder with the database's first password beside it, and initdb inside.
postgres_make() {
        local folder bin
        folder=$(postgres_folder)
        bin=$(postgres_programs) || die "there is no PostgreSQL: apt-get install postgresql"
        rm -rf "$folder"
        (umask 077 && mkdir -p "$folder/db" && printf '%s\n' "$STACK_PASSWORD" >"$folder/password")
        [ "$(id -u)" != 0 ] || chown -R postgres:postgres "$folder"
        (cd / && "${as_owner[@]}" "$bin/initdb" -D /proc/self/fd/8 --no-sync --username="$STACK_USER" \
                --pwfile=/proc/self/fd/8/../password --encoding=UTF8 --locale=C.UTF-8 \
                --auth-local=trust --auth-host=scram-sha-256) 8<"$folder/db" \
                >"$STACK_DIR/log/initdb.log" 2>&1 || {
                rm -rf "$folder"
                complain "initdb failed: $(tail -n 1 "$STACK_DIR/log/initdb.log")"
                return 1
        }
}

postgres_start() {
        local folder bin
        folder=$(postgres_folder)
        [ -s "$folder/db/PG_VERSION" ] || postgres_make || return 1
        bin=$(postgres_programs) || die "there is no PostgreSQL: apt-get install postgresql"
        [ "$(basename "$(dirname "$bin")")" = "$(<"$folder/db/PG_VERSION")" ] || [ ! -d /usr/lib/postgresql ] ||
                die "$folder was made by PostgreSQL $(<"$folder/db/PG_VERSION"), here is $bin: remove that folder to begin anew"
        # The checkout may have changed hands.
        [ "$(id -u)" != 0 ] || [ "$(stat -c %U "$folder/db")" = postgres ] || chown -R postgres: "$folder"
        (cd / && spawn postgres "${as_owner[@]}" "$bin/postgres" -D /proc/self/fd/8 \
                -p "$STACK_POSTGRES_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories=. \
                -c log_min_messages=warning -c max_connections=50) 8<"$folder/db"
}

# postgres_query SQL [DATABASE]: psql on the private server.
postgres_query() {
        local bin
        bin=$(postgres_programs) || return 1
        PGPASSWORD=$STACK_PASSWORD PGCONNECT_TIMEOUT=5 "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
                -h 127.0.0.1 -p "$STACK_POSTGRES_PORT" -U "$STACK_USER" -d "${2:-postgres}" -c "$1"
}

postgres_ready() { port_open "$STACK_POSTGRES_PORT" && postgres_query 'select 1'; }

# ---- Redis: a cache, it keeps nothing on disk ------------------------------------------------

redis_start() {
        local server
        mkdir -p "$STACK_DIR/data/redis"
        server=$(command -v redis-server || command -v valkey-server) ||
                die "there is no Redis: apt-get install redis-server"
        (umask 077 && cat >"$STACK_DIR/data/redis/redis.conf") <<EOF
bind 127.0.0.1
port $STACK_REDIS_PORT
requirepass $STACK_PASSWORD
save ""
appendonly no
maxmemory 64mb
maxmemory-policy allkeys-lru
EOF
        (cd "$STACK_DIR/data/redis" && spawn redis "$server" redis.conf)
}

redis_ready() {
        port_open "$STACK_REDIS_PORT" &&
                [ "$(REDISCLI_AUTH=$STACK_PASSWORD redis-cli -p "$STACK_REDIS_PORT" ping)" = PONG ]
}

# ---- Kafka ----------------------------------------------------------------------------------

kafka_start() {
        local folder=$STACK_DIR/data/kafka
        rm -rf "$folder/tmp"
        mkdir -p "$folder/tmp"
        sed -e "s|@DATA@|$folder/log|; s|@PORT@|$STACK_KAFKA_PORT|g; s|@CONTROLLER_PORT@|$STACK_KAFKA_CONTROLLER_PORT|g" \
                "$STACK_KAFKA_HOME/server.properties.in" >"$folder/server.properties"
        [ -e "$folder/log/meta.properties" ] || kafka_format "$folder" || return 1
        # Its native libraries are unpacked there, not left in /tmp.
        KAFKA_JVM_OPTIONS=-Djava.io.tmpdir=$folder/tmp \
                spawn kafka "$STACK_KAFKA_HOME/kafka-run" kafka.Kafka "$folder/server.properties"
}

kafka_format() {
        "$STACK_KAFKA_HOME/kafka-run" kafka.tools.StorageTool format \
                --cluster-id "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d =)" \
                --config "$1/server.properties" >"$STACK_DIR/log/kafka-format.log" 2>&1 || {
                complain "Kafka's storage could not be formatted: $(tail -n 1 "$STACK_DIR/log/kafka-format.log")"
                return 1
        }
}

kafka_ready() {
        port_open "$STACK_KAFKA_PORT" && kcat -b "127.0.0.1:$STACK_KAFKA_PORT" -L -m 2
}
