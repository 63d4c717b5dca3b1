#!/usr/bin/env bash
# Remove what Tacit keeps in its cache, and nothing else that may lie in the same folder.
# A CARGO_TARGET_DIR or TACIT_KEYS of your own is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh
. scripts/env.sh

for part in bitcoind bochs keys rocksdb target tools; do
    [ -e "$TACIT_CACHE/$part" ] || continue
    say "removing $TACIT_CACHE/$part ($(du -sh "$TACIT_CACHE/$part" | cut -f 1))"
    rm -rf "${TACIT_CACHE:?}/$part"
done
rmdir --ignore-fail-on-non-empty "$TACIT_CACHE" 2>/dev/null || true
