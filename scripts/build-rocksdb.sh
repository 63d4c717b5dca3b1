#!/usr/bin/env bash
# Build librocksdb.a once, into the cache, from the sources that the crate librocksdb-sys carries.
#
# Cargo would compile the same sources again for every profile and every change of features
# (16 minutes each time on two cores). scripts/env.sh points the crate at this library instead.
# The sources are compiled in groups, as RocksDB's own `unity` target does: its headers are what
# costs time. A group that does not compile as one falls back to its single files.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

final=$ROCKSDB_LIB_DIR
work=$TACIT_CACHE/rocksdb/build
mkdir -p "$TACIT_CACHE/rocksdb"
exec 9>"$TACIT_CACHE/rocksdb/lock"
flock 9
if [ -f "$final/librocksdb.a" ]; then exit 0; fi
exec >"$TACIT_CACHE/rocksdb/build.log" 2>&1

manifest=$(cargo metadata --locked --format-version 1 |
    grep -o '"manifest_path":"[^"]*librocksdb-sys-[^"]*"' | cut -d '"' -f 4)
source=$(dirname "$manifest")
group=14
mkdir -p "$work"

# One file per group of sources; the last holds the crate's own build_version.cc.
mapfile -t files < <(grep -v 'util/build_version.cc' "$source/rocksdb_lib_sources.txt" | tr -d ' ' | grep .)
rm -f "$work"/unity-*.cc
for ((i = 0; i < ${#files[@]}; i += group)); do
    for file in "${files[@]:i:group}"; do echo "#include \"$source/rocksdb/$file\""; done \
        >"$work/unity-$(printf %02d $((i / group))).cc"
done
echo "#include \"$source/build_version.cc\"" >"$work/unity-version.cc"

compile() { # source object
    local flags=(-std=c++20 -O1 -g0 -w -fPIC -DNDEBUG=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
        -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
        -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT
        -I "$source/rocksdb/include" -I "$source/rocksdb" -I "$source")
    c++ "${flags[@]}" -c "$1" -o "$2.tmp" && mv "$2.tmp" "$2"
}

build_group() { # unity file
    local unity=$1 object=${1%.cc}.o n=0
    if [ -f "$object" ] || [ -f "${1%.cc}.split" ]; then return; fi
    echo "$(date +%T) $(basename "$unity")"
    if compile "$unity" "$object"; then return; fi
    sed -n 's/^#include "\(.*\)"$/\1/p' "$unity" | while read -r file; do
        compile "$file" "${unity%.cc}-$((n += 1)).o" </dev/null
    done
    touch "${unity%.cc}.split"
}

export -f compile build_group
export source
printf '%s\n' "$work"/unity-*.cc | xargs -P "$(nproc)" -I{} bash -c 'set -e; build_group {}'

ar crs "$work/librocksdb.a" "$work"/*.o
mkdir -p "$final"
mv "$work/librocksdb.a" "$final/librocksdb.a"
rm -rf "$work"
