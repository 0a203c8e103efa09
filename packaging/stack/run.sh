# shellcheck shell=bash
# ./bootstrap run, status and stop: the three daemons over the private stack. Sourced after the
# other files of this folder; $TOP is the checkout.

: "${STACK_SIM_PORT:=18400}" "${FRONTEND_PORT:=3000}" "${API_PORT:=5001}" "${WEBSOCKET_PORT:=8080}"
PORTS="FRONTEND_PORT API_PORT WEBSOCKET_PORT STACK_POSTGRES_PORT STACK_REDIS_PORT STACK_KAFKA_PORT
        STACK_KAFKA_CONTROLLER_PORT STACK_SIM_PORT"
SERVICES="postgres redis kafka"
DAEMONS="fetcher websocket api"
STACK_BUILD=$STACK_DIR/build

wants_simulator() { [ -z "${COINGECKO_API_KEY-}${COINGECKO_API_KEY_FILE-}${COINGECKO_BASE_URL-}" ]; }

# Everything of ours that runs, in the order of its end.
ours() {
        local name
        for name in sim $DAEMONS $SERVICES; do
                ! running "$name" >/dev/null || printf '%s\n' "$name"
        done
}

# ---- ports ----------------------------------------------------------------------------------------

# A port that is in use must be found before something else answers on it in our place.
check_ports() {
        local name port seen=" "
        for name in $PORTS; do
                case ${!name} in
                '' | *[!0-9]* | ??????*) port=0 ;;
                *) port=$((10#${!name})) ;;
                esac
                ((port >= 1 && port <= 65535)) || die "$name=${!name} is no port: 1 to 65535"
                printf -v "$name" %s $port # 08080 is 8080
                case $seen in
                *" $port "*) die "port $port is asked for twice: give $name another one" ;;
                esac
                seen="$seen$port "
                ! port_open "$port" ||
                        die "port $port is in use: end what uses it, or move ours, e.g. $name=$((port + 10000 > 65535 ? port - 10000 : port + 10000)) ./bootstrap run"
        done
}

# What status and stop must know of a run with other ports than theirs.
remember_ports() {
        local name
        for name in $PORTS; do printf '%s=%s\n' "$name" "${!name}"; done >"$STACK_DIR/run/ports"
}

recall_ports() {
        local name port
        { while IFS='=' read -r name port; do printf -v "$name" %s "$port"; done <"$STACK_DIR/run/ports"; } 2>/dev/null || true
}

# ---- start ----------------------------------------------------------------------------------------

start_services() {
        local name
        rm -f "$STACK_DIR"/log/{sim,fetcher,websocket,api,postgres,redis,kafka}.log # of the last run
        say "Starting PostgreSQL, Redis and Kafka ..."
        for name in $SERVICES; do service_start "$name" || exit 1; done
        await PostgreSQL 60 postgres service_ready postgres || exit 1
        await Redis 30 redis service_ready redis || exit 1
        set_up_schema
        await Kafka 90 kafka service_ready kafka || exit 1
}

# The daemons are told by the environment; no configuration of the host has a say.
set_daemon_environment() {
        unset POSTGRES_PASSWORD REDIS_PASSWORD CREDENTIALS_DIRECTORY NOTIFY_SOCKET LISTEN_FDS LISTEN_PID
        ! wants_simulator || set_simulated
        export POSTGRES_HOST=127.0.0.1 POSTGRES_PORT=$STACK_POSTGRES_PORT POSTGRES_USER=$STACK_USER \
                POSTGRES_DB=$STACK_DATABASE POSTGRES_PASSWORD_FILE=$STACK_DIR/password \
                REDIS_HOST=127.0.0.1 REDIS_PORT=$STACK_REDIS_PORT REDIS_PASSWORD_FILE=$STACK_DIR/password \
                KAFKA_BROKER=127.0.0.1:$STACK_KAFKA_PORT WEB_ROOT=$STACK_BUILD/web/dist \
                FRONTEND_PORT API_PORT WEBSOCKET_PORT
        printf '# ./bootstrap run tells the daemons what they need in the environment.\n' \
                >"$STACK_DIR/crypto-pulse.conf"
}

# Made-up prices stay apart from real ones: in a database, a topic and a consumer group of their own.
set_simulated() {
        local past=${no_proxy:-${NO_PROXY-}}
        SIMULATED=yes STACK_DATABASE=${STACK_DATABASE}_sim
        export KAFKA_TOPIC=${KAFKA_TOPIC:-crypto-updates}-sim KAFKA_GROUP_ID=${KAFKA_GROUP_ID:-crypto-pulse}-sim \
                COINGECKO_BASE_URL=http://127.0.0.1:$STACK_SIM_PORT/api/v3 FETCH_INTERVAL_MS=${FETCH_INTERVAL_MS:-5000} \
                no_proxy=127.0.0.1,localhost${past:+,$past} NO_PROXY=127.0.0.1,localhost${past:+,$past}
}

set_up_schema() {
        "$TOP/src/setup/crypto-pulse-setup" >"$STACK_DIR/log/setup.log" 2>&1 || {
                complain "the database could not be set up"
                show_log setup
                exit 1
        }
}

start_daemons() {
        local name
        if [ -n "${SIMULATED-}" ]; then
                say "Starting a simulated CoinGecko (set COINGECKO_API_KEY or COINGECKO_BASE_URL for another) ..."
                spawn sim "$STACK_BUILD/src/sim/coingecko-sim" --port "$STACK_SIM_PORT"
                await "the simulator" 15 sim port_open "$STACK_SIM_PORT" || exit 1
        fi
        say "Starting fetcher, websocket and api ..."
        for name in $DAEMONS; do
                spawn "$name" "$STACK_BUILD/src/$name/crypto-pulse-$name" --config "$STACK_DIR/crypto-pulse.conf"
        done
}

# ---- the first price ------------------------------------------------------------------------------

# Rows and the offset they came from are one transaction: an offset of this run is a price of it.
price_in_database() {
        [ "$(postgres_query "select 1 from kafka_offsets where updated_at >= '$RUN_BEGAN' limit 1" \
                "$STACK_DATABASE" 2>/dev/null)" = 1 ]
}

# A WebSocket client of few lines (RFC 6455, section 4.1): the first message ends with the first "}".
price_on_stream() (
        # Of what the server says, only text up to that brace is looked at.
        export LC_ALL=C
        exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$WEBSOCKET_PORT" || exit 1
        printf 'GET / HTTP/1.1\r\nHost: localhost:%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n' \
                "$WEBSOCKET_PORT" Y3J5cHRvLXB1bHNlLTAwMA== >&3
        IFS= read -r -d '}' -t 3 answer <&3
        [[ $answer == *101*'"coinId"'*'"price"'* ]]
)

await_first_price() {
        local limit=300 # the real CoinGecko may have had enough of this address for some minutes
        [ -z "${SIMULATED-}" ] || limit=60
        await "the first price in the database" $limit "fetcher websocket" price_in_database || exit 1
        await "the first price on the stream" 30 websocket price_on_stream || exit 1
        await "the dashboard" 30 api port_open "$FRONTEND_PORT" || exit 1
}

show_urls() {
        say ""
        say "  Dashboard   http://localhost:$FRONTEND_PORT/"
        say "  REST        http://localhost:$API_PORT/api/v1/cryptos"
        say "  WebSocket   ws://localhost:$WEBSOCKET_PORT/"
        say "  Logs        ${STACK_DIR#"$PWD"/}/log/"
        say ""
}

# ---- the commands ---------------------------------------------------------------------------------

run() {
        local detach=no began=$SECONDS
        case ${1-} in
        '') ;;
        --detach | -d) detach=yes ;;
        *) die "run knows --detach, not '$1'" ;;
        esac
        [ -z "$(ours)" ] || die "it runs already: ./bootstrap status shows it, ./bootstrap stop ends it"
        check_ports
        trap end_run EXIT
        remember bootstrap $$
        set_up
        check_ports # once more: setting up may have taken minutes
        began=$SECONDS
        remember_ports
        set_daemon_environment
        start_services
        RUN_BEGAN=$(postgres_query 'select now()')
        start_daemons
        await_first_price
        say "Prices flow, $((SECONDS - began)) s after the start."
        show_urls
        if [ $detach = yes ]; then
                trap - EXIT
                rm -f "$STACK_DIR/run/bootstrap"
                say "./bootstrap stop ends it."
        else
                say "Ctrl-C ends it."
                watch_over
        fi
}

end_run() {
        trap '' INT TERM HUP
        end_step
        [ -z "$(ours)" ] || say "Stopping ..."
        halt_all
        rm -f "$STACK_DIR/run/bootstrap"
}

# Daemons first, so that they can finish what they began.
halt_all() {
        # shellcheck disable=SC2086 # names are words
        halt sim $DAEMONS && halt $SERVICES
        rm -f "$STACK_DIR/run/ports"
}

# Until Ctrl-C, or until one of ours has ended.
watch_over() {
        local name all
        all=$(ours)
        while :; do
                for name in $all; do
                        running "$name" >/dev/null && continue
                        complain "$name has ended"
                        show_log "$name"
                        exit 1
                done
                sleep 1 &
                wait $! # a signal ends the wait at once
        done
}

stop() {
        local pid
        recall_ports
        if pid=$(running bootstrap); then
                kill -TERM "$pid" # it is in the foreground of another terminal, and stops the rest
                gone bootstrap 60 || die "./bootstrap run (process $pid) does not end"
        elif [ -z "$(ours)" ]; then
                say "Nothing runs."
        else
                say "Stopping ..."
                halt_all
        fi
}

# Succeeds if everything runs.
status() {
        local name pid code=0 port
        recall_ports
        [ -n "$(ours)" ] || {
                say "Nothing runs."
                return 3
        }
        for name in $SERVICES sim $DAEMONS; do
                port=$(port_of "$name")
                if pid=$(running "$name"); then
                        printf '  %-10s runs       process %-8s %s\n' "$name" "$pid" "${port:+port $port}"
                elif [ "$name" != sim ] || [ -e "$STACK_DIR/run/sim" ]; then
                        printf '  %-10s has ended  see %s\n' "$name" "$STACK_DIR/log/$name.log"
                        code=1
                fi
        done
        show_urls
        return $code
}

port_of() {
        case $1 in
        postgres) echo "$STACK_POSTGRES_PORT" ;;
        redis) echo "$STACK_REDIS_PORT" ;;
        kafka) echo "$STACK_KAFKA_PORT" ;;
        sim) echo "$STACK_SIM_PORT" ;;
        websocket) echo "$WEBSOCKET_PORT" ;;
        api) echo "$API_PORT, $FRONTEND_PORT" ;;
        esac
}
