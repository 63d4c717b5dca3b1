#!/usr/bin/env bash
# Build librocksdb.a once, into the cache, from the sources that the crate librocksdb-sys carries.
#
# Cargo would compile the same sources again for every profile and every change of features
# (16 minutes each time on two cores). scripts/env.sh points the crate at this library instead.
# The sources are compiled in groups, as RocksDB's own `unity` target does: its headers are what
# costs time. A group that does not compile as one falls back to its single files.
# Stopped half-way, it goes on from there next time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

final=$ROCKSDB_LIB_DIR
work=$TACIT_CACHE/rocksdb/build-$(basename "$final")
mkdir -p "$TACIT_CACHE/rocksdb"
exec 9>"$TACIT_CACHE/rocksdb/lock"
flock 9
if [ -f "$final/librocksdb.a" ]; then exit 0; fi
exec >"$TACIT_CACHE/rocksdb/build.log" 2>&1

manifest=$(cargo metadata --format-version 1 |
    grep -o '"manifest_path":"[^"]*librocksdb-sys-[^"]*"' | cut -d '"' -f 4)
source=$(dirname "$manifest")
echo "$source"

# 1.cc, 2.cc … each include a group of sources; the last is the crate's own build_version.cc.
mkdir -p "$work"
group=14
count=0
mapfile -t files < <(grep -v 'util/build_version.cc' "$source/rocksdb_lib_sources.txt" | tr -d ' ' | grep .)
for ((i = 0; i < ${#files[@]}; i += group)); do
    count=$((count + 1))
    for file in "${files[@]:i:group}"; do echo "#include \"$source/rocksdb/$file\""; done >"$work/$count.cc"
done
count=$((count + 1))
echo "#include \"$source/build_version.cc\"" >"$work/$count.cc"

# compile SOURCE OBJECT: an object is there whole or not at all.
compile() {
    local flags=(-std=c++20 -O1 -g0 -w -fPIC -DNDEBUG=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
        -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
        -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT
        -I "$source/rocksdb/include" -I "$source/rocksdb" -I "$source")
    c++ "${flags[@]}" -c "$1" -o "$2.tmp" && mv "$2.tmp" "$2"
}

# build_group NUMBER: as one file, else file by file, with a mark when that is complete.
build_group() {
    local unity=$work/$1 file n=0
    if [ -f "$unity.o" ] || [ -f "$unity.split" ]; then return; fi
    echo "[$1/$count] $(grep -c . "$unity.cc") files"
    if compile "$unity.cc" "$unity.o"; then return; fi
    echo "these do not compile as one: compiling each"
    while read -r file; do
        n=$((n + 1))
        compile "$file" "$unity-$n.o" </dev/null || return
    done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$unity.cc")
    touch "$unity.split"
}

export -f compile build_group
export source work count
seq "$count" | xargs -P "$(nproc)" -I '{}' bash -euc 'build_group {}'

ar crs "$work/librocksdb.a" "$work"/*.o
mkdir -p "$final"
mv "$work/librocksdb.a" "$final/librocksdb.a"
rm -rf "$work"
