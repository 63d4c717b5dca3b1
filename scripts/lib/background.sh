# shellcheck shell=bash
# The build of bitcoind, in the background of everything else that the set-up does.

build_pid=''  # of the running build; empty when there is none
ticker_pid='' # of the loop that reports on it, likewise

build_log() { echo "$TACIT_CACHE/bitcoind/build.log"; }

start_bitcoind_build() {
    say "bitcoind: building Bitcoin Core $BITCOIN_CORE_VERSION in the background (once, into the cache)"
    note "log: $(build_log)"
    trap stop_background EXIT
    in_background scripts/build-bitcoind.sh
    build_pid=$!
}

# in_background COMMAND…: in a process group of its own, so that it can be stopped as a whole.
in_background() {
    set -m
    "$@" </dev/null &
    set +m
}

# stop_group PID: end a process started by in_background and all that it started.
stop_group() {
    kill -- "-$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# However the set-up ends, it leaves nothing running behind it.
stop_background() {
    [ -z "$ticker_pid" ] || stop_group "$ticker_pid"
    [ -z "$build_pid" ] || stop_group "$build_pid"
}

# build_progress: "43 % (128 of 297 steps), 4 min 10 s", from Ninja's last "[128/297]".
build_progress() {
    local step
    step=$(tail -c 20000 "$(build_log)" 2>/dev/null | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1 | tr -d '[]')
    [ "$step" ] || step=0/0
    if [ "${step#*/}" = 0 ]; then
        printf 'fetching and configuring, %s' "$(elapsed "$SECONDS")"
    else
        printf '%d %% (%d of %d steps), %s' \
            $((100 * ${step%/*} / ${step#*/})) "${step%/*}" "${step#*/}" "$(elapsed "$SECONDS")"
    fi
}

# meanwhile COMMAND…: run it while the build goes on, with a line on the build each minute.
meanwhile() {
    if [ "$build_pid" ]; then
        in_background report_each_minute
        ticker_pid=$!
    fi
    "$@" || exit # stopping the background on its way out
    if [ "$ticker_pid" ]; then
        stop_group "$ticker_pid"
        ticker_pid=''
    fi
}

report_each_minute() {
    while sleep 60 && kill -0 "$build_pid" 2>/dev/null; do note "bitcoind: $(build_progress)"; done
}

# Wait for the build: one live line on a terminal, a line every half minute elsewhere.
wait_for_bitcoind() {
    [ "$build_pid" ] || return 0
    local tick=0
    while kill -0 "$build_pid" 2>/dev/null; do
        if [ -t 1 ]; then
            printf '\r\033[K    bitcoind: %s ' "$(build_progress)"
        elif [ $((tick++ % 30)) = 0 ]; then
            note "bitcoind: $(build_progress)"
        fi
        sleep 1
    done
    [ ! -t 1 ] || printf '\r\033[K'
    if ! wait "$build_pid"; then
        build_pid=''
        printf '\n' >&2
        grep -E 'error:|Error|FAILED' "$(build_log)" | head -n 5 >&2 || tail -n 5 "$(build_log)" >&2 || true
        die "bitcoind could not be built; the log is $(build_log)" \
            "read the end of that log; when the cause is gone, run the same command again (it goes on from here)," \
            "or install Bitcoin Core $BITCOIND_MINIMUM or newer yourself and set BITCOIND_EXE to its bitcoind."
    fi
    build_pid=''
    note "bitcoind: built in $(elapsed "$SECONDS")"
}
