# shellcheck shell=bash
# The environment that every Tacit command runs in. Source it from bash:
#
#     . scripts/env.sh
#
# It only names places and creates nothing; a variable you have set yourself is kept.

tacit_scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Whatever is costly to make lives outside the checkout and outlives it.
TACIT_CACHE=${TACIT_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set; set HOME or TACIT_CACHE}/.cache}/tacit}
case $TACIT_CACHE in /*) ;; *) TACIT_CACHE=$PWD/$TACIT_CACHE ;; esac
export TACIT_CACHE
export TACIT_KEYS=${TACIT_KEYS:-$TACIT_CACHE/keys}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$TACIT_CACHE/target}

# Tools that the set-up installed come last, so that your own go before them. Cargo's
# own folder is missing from the PATH of many non-login shells.
for tacit_dir in "${CARGO_HOME:-${HOME:-}/.cargo}/bin" "$TACIT_CACHE/tools/bin"; do
    case :$PATH: in *:"$tacit_dir":*) ;; *) PATH=$PATH:$tacit_dir ;; esac
done
export PATH

# Yours, else a recent one on the PATH, else the one that the set-up builds.
# shellcheck source=scripts/lib/bitcoind.sh
. "$tacit_scripts/lib/bitcoind.sh"
export BITCOIND_EXE=${BITCOIND_EXE:-$(choose_bitcoind)}

# RocksDB, compiled once by scripts/build-rocksdb.sh and linked as it is. The folder names the
# version that Cargo.lock asks for, so that a new one is built beside the old.
# shellcheck source=scripts/lib/rocksdb.sh
. "$tacit_scripts/lib/rocksdb.sh"
export ROCKSDB_LIB_DIR=${ROCKSDB_LIB_DIR:-$(cached_rocksdb "$tacit_scripts/../Cargo.lock")}
export ROCKSDB_STATIC=1

# snarkjs, installed once by the set-up; the tests of interoperability run it.
# shellcheck source=scripts/lib/snarkjs.sh
. "$tacit_scripts/lib/snarkjs.sh"
export TACIT_SNARKJS=${TACIT_SNARKJS:-$(cached_snarkjs "$tacit_scripts/..")}

unset tacit_scripts tacit_dir
