#!/usr/bin/env bash
# Prepare a Debian-like machine for Tacit. Run it as often as you like: it does only what
# is missing, and says what that is.
#
#     scripts/setup.sh [--no-bitcoind] [--tests] [--meanwhile COMMAND…]
#
# --no-bitcoind        only what compiling needs
# --tests              also the test runner, cargo-nextest
# --meanwhile COMMAND  run this while bitcoind is being built, usually a cargo build
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh
. scripts/env.sh
. scripts/lib/packages.sh
. scripts/lib/rust.sh
. scripts/lib/background.sh

bitcoind=yes
tests=no
command=()
while [ $# -gt 0 ]; do
    case $1 in
        --no-bitcoind) bitcoind=no ;;
        --tests) tests=yes ;;
        --meanwhile) shift && command=("$@") && break ;;
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0" && exit ;;
        *) die "unknown option: $1" "see scripts/setup.sh --help" ;;
    esac
    shift
done

mkdir -p "$TACIT_CACHE" 2>/dev/null || true
[ -w "$TACIT_CACHE" ] ||
    die "the cache folder $TACIT_CACHE cannot be written." "set TACIT_CACHE to a folder of your own."

# What can fail at once comes first; what takes long, next, in the background.
check_rust
packages=("${PACKAGES_FOR_CRATES[@]}")
if [ $bitcoind = yes ]; then
    check_chosen_bitcoind
    if bitcoind_is_missing; then bitcoind=missing packages+=("${PACKAGES_FOR_BITCOIND[@]}"); fi
fi
need_packages "${packages[@]}"
if [ $bitcoind = missing ]; then start_bitcoind_build; fi

if [ $tests = yes ]; then need_nextest; fi
if [ ${#command[@]} -gt 0 ]; then
    say "${command[*]}"
    meanwhile "${command[@]}"
fi

wait_for_bitcoind
if [ $bitcoind != no ]; then say "bitcoind $(bitcoind_version "$BITCOIND_EXE"): $BITCOIND_EXE"; fi
