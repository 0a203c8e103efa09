# shellcheck shell=bash
# What the scripts of the private stack share: messages, processes, ports. Sourced, not run.
#
# A stack is a folder, $STACK_DIR: run/ (which processes are ours), log/ (what they say), data/
# (what they keep).

say() { printf '%s\n' "$*"; }

# progress WHAT SECONDS: what takes long. On a terminal one line that counts, else a line now and
# then; progress_end before anything else is said.
PROGRESS_NEXT=0
progress() {
        [ "$2" -ge 2 ] && [ "$2" -ge "$PROGRESS_NEXT" ] || return 0
        if [ -t 1 ]; then
                printf '\r  %s ... %d s\033[K' "$1" "$2"
                PROGRESS_NEXT=$(($2 + 1))
        else
                say "  $1 ... $2 s"
                PROGRESS_NEXT=$(($2 < 5 ? 5 : $2 < 10 ? 10 : $2 + 10))
        fi
}
progress_end() {
        [ "$PROGRESS_NEXT" = 0 ] || [ ! -t 1 ] || printf '\r\033[K'
        PROGRESS_NEXT=0
}

complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
        complain "$*"
        exit 1
}

# ---- processes: run/NAME holds "PID START-TIME", so that a reused PID is never taken for ours -

# start_time PID: prints when a process began, in ticks since boot; fails if it is no more.
start_time() {
        local stat
        { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
        # The name in parentheses may hold spaces; the state follows it, 19 fields later the time.
        # shellcheck disable=SC2086 # fields are words
        set -- ${stat##*) }
        [ "$1" != Z ] && [ "$1" != X ] && printf '%s\n' "${20}"
}

# spawn NAME COMMAND...: starts it in a session of its own (a Ctrl-C does not reach it).
spawn() {
        local name=$1 pid
        shift
        setsid "$@" </dev/null >>"$STACK_DIR/log/$name.log" 2>&1 9>&- &
        pid=$!
        remember "$name" "$pid"
}

remember() { printf '%s %s\n' "$2" "$(start_time "$2")" >"$STACK_DIR/run/$1"; }

# running NAME: prints its PID; fails if it does not run.
running() {
        local pid began
        { read -r pid began <"$STACK_DIR/run/$1"; } 2>/dev/null || return 1
        # No time: it had ended before it could be remembered.
        [ -n "$began" ] && [ "$(start_time "$pid")" = "$began" ] || return 1
        printf '%s\n' "$pid"
}

# signal NAME SIGNAL: fails if it does not run.
signal() {
        local pid
        pid=$(running "$1") && kill "-$2" "$pid" 2>/dev/null
}

# gone NAME SECONDS: waits for its end.
gone() {
        local tenths=$(($2 * 10))
        while running "$1" >/dev/null; do
                [ $((tenths -= 1)) -ge 0 ] || return 1
                sleep 0.1
        done
        rm -f "$STACK_DIR/run/$1"
}

# halt NAME...: ends them, all at once, kindly for ten seconds.
halt() {
        local name
        for name; do
                case $name in
                postgres) signal "$name" INT ;; # "fast": TERM would wait for its clients
                *) signal "$name" TERM ;;
                esac
        done || true
        for name; do
                gone "$name" 10 || {
                        complain "$name does not end, killing it"
                        signal "$name" KILL || true
                        gone "$name" 5 || complain "$name cannot be killed"
                }
        done
}

# ---- waiting --------------------------------------------------------------------------------

# await WHAT SECONDS NAMES COMMAND...: until COMMAND succeeds. Fails, with the end of a log, when
# one of the processes NAMES has ended or time is up.
await() {
        local what=$1 limit=$2 names=$3 began=$SECONDS name
        shift 3
        until "$@"; do
                for name in $names; do
                        running "$name" >/dev/null && continue
                        progress_end
                        complain "$name has ended before there was $what"
                        show_log "$name"
                        return 1
                done
                if [ $((SECONDS - began)) -ge "$limit" ]; then
                        progress_end
                        complain "waited $limit s in vain for $what"
                        for name in $names; do show_log "$name"; done
                        return 1
                fi
                progress "waiting for $what" $((SECONDS - began))
                sleep 0.1
        done
        progress_end
}

show_log() {
        local log=$STACK_DIR/log/$1.log
        [ -s "$log" ] || return 0
        complain "the last lines of $log:"
        tail -n 8 "$log" | sed 's/^/  /' >&2
}

# ---- ports ----------------------------------------------------------------------------------

# port_open PORT: somebody listens on it.
port_open() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
