# shellcheck shell=bash
# ./bootstrap check: every test, and the sum of them. Sourced after the other files of this folder.
# The integration tests start a stack of their own, on free ports, in a temporary folder.

RESULTS=$STACK_DIR/results

# suite NAME COMMAND...: shows what it says and keeps its status for totals.py. It goes on after a
# failure: the sum tells.
suite() {
        local name=$1 code
        shift
        say ""
        say "==== $name"
        set -m # a process group of its own, which can be ended as a whole
        "$@" </dev/null 9>&- &
        STEP_PID=$!
        set +m
        wait "$STEP_PID"
        code=$?
        STEP_PID=
        printf '%s\n' $code >"$RESULTS/$name.exit"
        [ $code = 0 ] || complain "$name: exit status $code"
}

# unit_tests NAME BUILD
unit_tests() {
        make -C "$2" -s -j "$(nproc)" check 2>&1 | tee "$RESULTS/$1.tap"
        return "${PIPESTATUS[0]}"
}

# integration_tests NAME BUILD
integration_tests() {
        cd "$TOP" || return 1
        CRYPTO_PULSE_BUILD=$2 exec /usr/bin/python3 -m pytest -q -p no:cacheprovider -ra \
                --junit-xml="$RESULTS/$1.xml" tests/integration
}

dashboard_packages() {
        cd "$TOP/web" || return 1
        cmp -s package-lock.json node_modules/.installed-lock.json && return
        npm ci --no-progress --loglevel=error && cp package-lock.json node_modules/.installed-lock.json
}

dashboard_lint() { cd "$TOP/web" && npm run --silent lint; }

dashboard_tests() {
        cd "$TOP/web" && npm test --silent -- --reporter=default --reporter=json \
                --outputFile.json="$RESULTS/$1.json"
}

# The tests of one build: those of the C code and those against real servers.
check_build() {
        suite "$1-unit" unit_tests "$1-unit" "$2"
        suite "$1-integration" integration_tests "$1-integration" "$2"
}

check_dashboard() {
        suite dashboard-packages dashboard_packages
        suite dashboard-lint dashboard_lint
        suite dashboard-tests dashboard_tests dashboard-tests
}

check() {
        rm -rf "$RESULTS"
        mkdir -p "$RESULTS"
        # shellcheck disable=SC2086 # names are words
        set_up $CHECK_PACKAGES
        check_dashboard
        check_build default "$STACK_BUILD"
        say ""
        /usr/bin/python3 "$TOP/packaging/stack/totals.py" "$RESULTS"
}
