# shellcheck shell=bash
# How the scripts talk: one line for each step, and errors that name cause and remedy.

# say MESSAGE: a step of the set-up.
say() { printf '==> %s\n' "$*"; }

# note MESSAGE: a detail below the step just announced.
note() { printf '    %s\n' "$*"; }

# die CAUSE REMEDY…: stop with what went wrong and what helps, which may take several lines.
die() {
    printf '\nerror: %s\nremedy: %s\n' "$1" "$2" >&2
    shift 2
    [ $# = 0 ] || printf '        %s\n' "$@" >&2
    exit 1
}

# elapsed SECONDS: "4 min 07 s".
elapsed() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# at_least VERSION MINIMUM: is dotted VERSION at or above MINIMUM?
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
