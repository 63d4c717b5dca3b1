# shellcheck shell=bash
# Which RocksDB to link. Nothing here builds one: see scripts/build-rocksdb.sh.

# cached_rocksdb CARGO_LOCK: the folder for the release that librocksdb-sys "0.19.0+11.8.1" wraps.
cached_rocksdb() {
    local version
    version=$(sed -n '/^name = "librocksdb-sys"$/ { n; s/^version = ".*+\(.*\)"$/\1/p }' "$1" 2>/dev/null || true)
    echo "$TACIT_CACHE/rocksdb/${version:-unknown}"
}

rocksdb_is_missing() { ! [ -f "$ROCKSDB_LIB_DIR/librocksdb.a" ]; }

# Refuse a ROCKSDB_LIB_DIR of the user's own that holds no library; only the cache is ours to fill.
check_chosen_rocksdb() {
    case $ROCKSDB_LIB_DIR in "$TACIT_CACHE"/*) return ;; esac
    ! rocksdb_is_missing ||
        die "ROCKSDB_LIB_DIR is $ROCKSDB_LIB_DIR, which holds no librocksdb.a." \
            "unset ROCKSDB_LIB_DIR: the set-up then builds the release that fits."
}
