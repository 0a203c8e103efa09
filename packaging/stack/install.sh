# shellcheck shell=bash
# Gets what ./bootstrap needs onto a Debian host, and builds. Everything but Debian's packages goes
# under $STACK_DIR. Sourced after common.sh; $TOP is the checkout.

# What compiles and runs it, and what the tests need beside that.
BUILD_PACKAGES="gcc libc6-dev make autoconf automake pkg-config libsystemd-dev libcurl4-openssl-dev
        librdkafka-dev libpq-dev libhiredis-dev libwebsockets-dev libjansson-dev libconfig-dev zlib1g-dev
        libcmocka-dev"
RUN_PACKAGES="ca-certificates postgresql redis-server kcat"
CHECK_PACKAGES="python3-pytest python3-psycopg2 python3-redis python3-requests python3-websockets
        python3-confluent-kafka chromium xz-utils"

# Where Debian's Node.js is too old, npm's own copy of a current one is used.
NODE_PACKAGES="node@22.23.3 npm@10.9.9"

# ---- one step that takes time -----------------------------------------------------------------
STEP_PID=

# step WHAT LOG COMMAND...: runs it with its output in log/LOG.log, tells how long it has taken so
# far, and shows the end of that log if it fails.
step() {
        local what=$1 name=$2 began=$SECONDS code
        shift 2
        say "$what ..."
        set -m # a process group of its own, which can be ended as a whole
        "$@" >"$STACK_DIR/log/$name.log" 2>&1 </dev/null 9>&- &
        STEP_PID=$!
        set +m
        while kill -0 "$STEP_PID" 2>/dev/null; do
                progress "$what" $((SECONDS - began))
                sleep 0.1
        done
        progress_end
        wait "$STEP_PID"
        code=$?
        STEP_PID=
        if [ $code -ne 0 ]; then
                complain "$what failed"
                show_log "$name"
                ! grep -q -E "$NO_NETWORK" "$STACK_DIR/log/$name.log" ||
                        complain "a server could not be reached: check the network (and http_proxy, if there is one), then try again"
        fi
        return $code
}

# As apt, npm and Maven say it.
NO_NETWORK='Temporary failure resolving|Could not connect|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|Could not transfer|Unknown host|Failed to fetch'

# Ends it before its time, as when Ctrl-C was pressed.
end_step() {
        [ -n "$STEP_PID" ] || return 0
        kill -- "-$STEP_PID" 2>/dev/null || true
        wait "$STEP_PID" 2>/dev/null || true
}

# ---- Debian's packages --------------------------------------------------------------------------

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# ensure_packages NAME...: installs those that are missing.
ensure_packages() {
        local name missing=() root=()
        command -v dpkg-query >/dev/null ||
                die "this needs Debian 12 or 13; elsewhere install what README.md names and use make"
        for name; do
                installed "$name" || missing+=("$name")
        done
        [ ${#missing[@]} -gt 0 ] || return 0
        if [ "$(id -u)" != 0 ]; then
                command -v sudo >/dev/null ||
                        die "packages are missing; as root: apt-get install ${missing[*]}"
                say "These packages are missing: ${missing[*]}"
                # Who needs no password for apt-get may have none at all.
                sudo -n true 2>/dev/null || sudo -v || die "packages are missing; as root: apt-get install ${missing[*]}"
                root=(sudo -n)
        fi
        step "Installing ${#missing[@]} Debian packages" apt apt_install "${missing[@]}" ||
                die "install them yourself (apt-get install ${missing[*]}), then try again"
}

apt_install() {
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update || return 1
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"
}

java_fits() {
        local version
        version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
        [ "${version:-0}" -ge 17 ]
}

# Names of packages for programs that may be there without Debian's package.
packages_of_programs() {
        java_fits || echo default-jre-headless
        command -v mvn >/dev/null || [ -e "$STACK_KAFKA_HOME/fingerprint" ] || echo maven
        command -v npm >/dev/null || echo npm # brings nodejs
}

# ---- Node.js: the dashboard's tools want 20.19 or newer, or 22.12 ---------------------------------

node_version_fits() {
        local major=${1%%.*} minor=${1#*.}
        minor=${minor%%.*}
        case $major in
        '' | *[!0-9]*) return 1 ;;
        20) [ "$minor" -ge 19 ] ;;
        22) [ "$minor" -ge 12 ] ;;
        *) [ "$major" -gt 22 ] ;;
        esac
}

node_fits() {
        command -v npm >/dev/null && node_version_fits "$(node --version 2>/dev/null | tr -d v)"
}

# What npm has put under .stack comes first on PATH; its own cache stays there, too.
use_own_node() {
        PATH=$STACK_DIR/node/node_modules/.bin:$PATH
        export PATH npm_config_cache=$STACK_DIR/npm-cache npm_config_update_notifier=false \
                npm_config_prefer_offline=true npm_config_fetch_retry_mintimeout=1000 \
                npm_config_fetch_retry_maxtimeout=5000
}

ensure_node() {
        ! node_fits || return 0
        mkdir -p "$STACK_DIR/node"
        # shellcheck disable=SC2086 # names are words
        step "Fetching Node.js (the one here, $(node --version 2>&1), is too old)" node \
                npm install --prefix "$STACK_DIR/node" --no-audit --no-fund $NODE_PACKAGES ||
                die "Node.js 20.19 or newer could not be fetched from the npm registry: try again, or install it and put it on PATH"
        hash -r
        node_fits || die "Node.js 20.19 or newer is needed, here is $(node --version 2>&1): install one and put it on PATH"
}

# ---- Kafka ----------------------------------------------------------------------------------------

ensure_kafka() {
        ! "$TOP/packaging/kafka/install" --check "$STACK_KAFKA_HOME" || return 0
        export KAFKA_TRIAL_PORT=$STACK_KAFKA_PORT KAFKA_TRIAL_CONTROLLER_PORT=$STACK_KAFKA_CONTROLLER_PORT
        step "Fetching Kafka from Maven Central" kafka-install \
                "$TOP/packaging/kafka/install" "$STACK_KAFKA_HOME" || exit 1
}

# ---- the build ------------------------------------------------------------------------------------

# build FOLDER [CONFIGURE-ARGUMENT...]: out of tree; quick when nothing has changed.
build() {
        local folder=$1
        shift
        mkdir -p "$folder"
        [ ! -e "$TOP/config.status" ] ||
                die "the checkout itself is configured as a build folder: run 'make distclean' in it first"
        [ -x "$TOP/configure" ] || step "Making configure" autogen "$TOP/autogen.sh" || exit 1
        [ -e "$folder/Makefile" ] ||
                step "Configuring" configure env -C "$folder" "$TOP/configure" -q "$@" || exit 1
        step "Building" build make -C "$folder" -s -j "$(nproc)" || exit 1
}

# set_up [PACKAGE...]: all of the above.
set_up() {
        use_own_node
        # shellcheck disable=SC2046,SC2086 # names are words
        ensure_packages $BUILD_PACKAGES $RUN_PACKAGES $(packages_of_programs) "$@"
        ensure_node
        ensure_kafka
        build "$STACK_BUILD"
}
