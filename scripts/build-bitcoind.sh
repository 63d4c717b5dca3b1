#!/usr/bin/env bash
# Build bitcoind and bitcoin-cli from source, once, into the cache.
#
# scripts/setup.sh runs this in the background, and decides whether it is needed at all.
# Everything it prints goes to the log. Stopped half-way, it goes on from there next time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

home=$TACIT_CACHE/bitcoind
final=$home/$BITCOIN_CORE_VERSION
work=$home/build-$BITCOIN_CORE_VERSION
staged=$home/staged-$BITCOIN_CORE_VERSION

# One build at a time; whoever comes second finds the work done.
mkdir -p "$home"
exec 9>"$home/lock"
flock 9
if usable_bitcoind "$final/bin/bitcoind"; then exit 0; fi
exec >"$home/build.log" 2>&1

echo "# Bitcoin Core's source, as Cargo fetches and verifies it"
manifest=$(cargo metadata --locked --format-version 1 --manifest-path scripts/bitcoin-core/Cargo.toml |
    grep -o '"manifest_path":"[^"]*libbitcoinkernel-sys-[^"]*"' | cut -d '"' -f 4)
source=$(dirname "$manifest")/bitcoin
echo "$source"

# A node without wallet, tests and tools. Optimised only as far as that makes the whole
# quicker: it is there for regtest chains of a few hundred blocks.
options=(
    -DBUILD_DAEMON=ON -DBUILD_CLI=ON
    -DBUILD_BITCOIN_BIN=OFF -DBUILD_GUI=OFF -DBUILD_TX=OFF -DBUILD_UTIL=OFF -DBUILD_WALLET_TOOL=OFF
    -DBUILD_KERNEL_LIB=OFF -DBUILD_UTIL_CHAINSTATE=OFF
    -DBUILD_TESTS=OFF -DBUILD_BENCH=OFF -DBUILD_FUZZ_BINARY=OFF
    -DENABLE_WALLET=OFF -DENABLE_IPC=OFF -DENABLE_EXTERNAL_SIGNER=OFF
    -DWITH_ZMQ=OFF -DWITH_USDT=OFF -DWITH_EMBEDDED_ASMAP=OFF -DWITH_CCACHE=OFF -DINSTALL_MAN=OFF
    -DCMAKE_BUILD_TYPE=None "-DCMAKE_C_FLAGS=-O2 -g0" "-DCMAKE_CXX_FLAGS=-O1 -g0"
    "-DCMAKE_PROJECT_BitcoinCore_INCLUDE=$PWD/scripts/bitcoin-core/precompile.cmake"
)

# Configure afresh each time: the source may have moved since a build that was stopped.
rm -rf "$work/CMakeCache.txt" "$work/CMakeFiles"
cmake -G Ninja -S "$source" -B "$work" "${options[@]}"
ninja -C "$work" -j "$(nproc)" bitcoind bitcoin-cli

# Nobody may ever see half an installation: fill a folder beside it, try it, rename it.
rm -rf "$staged" "$final"
mkdir -p "$staged/bin"
install -s "$work/bin/bitcoind" "$work/bin/bitcoin-cli" "$staged/bin/"
usable_bitcoind "$staged/bin/bitcoind"
mv -T "$staged" "$final"
rm -rf "$work"
