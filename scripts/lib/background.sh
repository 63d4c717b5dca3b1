# shellcheck shell=bash
# The long C++ builds, in the background of everything else that the set-up does.
#
# A build NAME is scripts/build-NAME.sh. It writes $TACIT_CACHE/NAME/build.log, where lines
# that begin with "[12/297]" tell how far it is.

declare -A running=() # name of a build → its process
ticker=''             # the process that reports on them now and then, if there is one

build_log() { echo "$TACIT_CACHE/$1/build.log"; }

# start_build NAME TITLE
start_build() {
    say "$1: building $2 in the background (once, into the cache)"
    note "log: $(build_log "$1")"
    trap stop_background EXIT
    in_background "scripts/build-$1.sh"
    running[$1]=$!
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
    local pid
    for pid in $ticker "${running[@]}"; do stop_group "$pid"; done
}

# build_progress NAME: "43 % (128 of 297 steps), 4 min 10 s"
build_progress() {
    local step
    step=$(tail -c 20000 "$(build_log "$1")" 2>/dev/null | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1 | tr -d '[]')
    if [ "$step" ]; then
        printf '%d %% (%d of %d steps), %s' \
            $((100 * ${step%/*} / ${step#*/})) "${step%/*}" "${step#*/}" "$(elapsed "$SECONDS")"
    else
        printf 'preparing, %s' "$(elapsed "$SECONDS")"
    fi
}

# report: one line for each build that is still going on.
report() {
    local name
    for name in "${!running[@]}"; do
        ! kill -0 "${running[$name]}" 2>/dev/null || note "$name: $(build_progress "$name")"
    done
}

# meanwhile COMMAND…: run it while the builds go on, with a report each minute.
meanwhile() {
    if [ ${#running[@]} -gt 0 ]; then
        in_background report_each_minute
        ticker=$!
    fi
    "$@" || exit # stopping the background on its way out
    if [ "$ticker" ]; then
        stop_group "$ticker"
        ticker=''
    fi
}

report_each_minute() { while sleep 60; do report; done; }

# wait_for_build NAME OTHERWISE: one live line on a terminal, a report each half minute elsewhere.
# OTHERWISE is what a user can do whose machine cannot build it.
wait_for_build() {
    local name=$1 pid=${running[$1]:-} log tick=0
    [ "$pid" ] || return 0
    log=$(build_log "$name")
    while kill -0 "$pid" 2>/dev/null; do
        if [ -t 1 ]; then
            printf '\r\033[K    %s: %s ' "$name" "$(build_progress "$name")"
        elif [ $((tick++ % 30)) = 0 ]; then
            report
        fi
        sleep 1
    done
    [ ! -t 1 ] || printf '\r\033[K'
    unset "running[$name]"
    if ! wait "$pid"; then
        printf '\n' >&2
        grep -E 'error:|Error|FAILED' "$log" | head -n 5 >&2 || tail -n 5 "$log" >&2 || true
        die "$name could not be built; the log is $log" \
            "read the end of that log; when the cause is gone, run the same command again (it goes on from here)," \
            "or $2"
    fi
    note "$name: built; $(elapsed "$SECONDS") since the start"
}
