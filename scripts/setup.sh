#!/usr/bin/env bash
# Prepare a Debian-like machine for Tacit. Run it as often as you like: it does only what
# is missing, and says what that is.
#
#     scripts/setup.sh [--no-bitcoind] [--vulkan] [--tests] [--meanwhile COMMAND…]
#
# --no-bitcoind        only what compiling needs
# --vulkan             also Vulkan with a driver in software, for the GPU engine
# --tests              also what tests need: the runner cargo-nextest, snarkjs with Node.js, and Vulkan
# --meanwhile COMMAND  run this while bitcoind is still being built, usually a cargo build
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh
. scripts/env.sh
. scripts/lib/packages.sh
. scripts/lib/rust.sh
. scripts/lib/background.sh

bitcoind=yes
tests=no
vulkan=no
command=()
while [ $# -gt 0 ]; do
    case $1 in
        --no-bitcoind) bitcoind=no ;;
        --vulkan) vulkan=yes ;;
        --tests) tests=yes vulkan=yes ;;
        --meanwhile) shift && command=("$@") && break ;;
        -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit ;;
        *) die "unknown option: $1" "see scripts/setup.sh --help" ;;
    esac
    shift
done

mkdir -p "$TACIT_CACHE" 2>/dev/null || true
[ -w "$TACIT_CACHE" ] ||
    die "the cache folder $TACIT_CACHE cannot be written." "set TACIT_CACHE to a folder of your own."

# What can fail at once comes first; what takes long, next, in the background.
check_rust
check_chosen_rocksdb
packages=("${PACKAGES_FOR_CRATES[@]}")
if [ $bitcoind = yes ]; then
    check_chosen_bitcoind
    if bitcoind_is_missing; then bitcoind=missing packages+=("${PACKAGES_FOR_BITCOIND[@]}"); fi
fi
if [ $vulkan = yes ]; then packages+=("${PACKAGES_FOR_VULKAN[@]}"); fi
need_packages "${packages[@]}"
if [ $bitcoind = missing ]; then start_build bitcoind "Bitcoin Core $BITCOIN_CORE_VERSION"; fi
if rocksdb_is_missing; then start_build rocksdb "RocksDB $(basename "$ROCKSDB_LIB_DIR")"; fi

if [ $tests = yes ]; then
    meanwhile need_snarkjs
    meanwhile need_nextest
fi
wait_for_build rocksdb "set ROCKSDB_LIB_DIR to a folder with a librocksdb.a of that release."
if [ ${#command[@]} -gt 0 ]; then
    say "${command[*]}"
    meanwhile "${command[@]}"
fi

wait_for_build bitcoind \
    "install Bitcoin Core $BITCOIND_MINIMUM or newer yourself and set BITCOIND_EXE to its bitcoind."
if [ $bitcoind != no ]; then say "bitcoind $(bitcoind_version "$BITCOIND_EXE"): $BITCOIND_EXE"; fi
