#!/usr/bin/env bash
# Crash the vault, the sequencer and signers again and again, and count the money in the end.
#
#     scripts/soak.sh
#
# Runs the loops that crash with TACIT_SOAK=1 and prints what each did: what went wrong, how often, what was paid,
# how often twice or never, and how many blocks an exit waited. The same as JSON is in target/soak/summary.json.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh
. scripts/env.sh

export TACIT_SOAK=1 TACIT_SOAK_DIR="$PWD/target/soak"
rm -rf "$TACIT_SOAK_DIR"
say "the vault, within this process"
cargo nextest run --profile soak -p tacit-bridge ${CARGO_FLAGS:+$CARGO_FLAGS} --no-capture a_vault_that_crashes_hundreds_of_times
say "the sequencer, as a process; then with signers that die as well"
cargo build -p tacit-node --bins ${CARGO_FLAGS:+$CARGO_FLAGS}
cargo nextest run --profile soak -p tacit-tests ${CARGO_FLAGS:+$CARGO_FLAGS} --no-capture \
    a_sequencer_killed_at_every_point_again_and_again a_sequencer_and_signers_killed_at_random_again_and_again
say "done: target/soak/summary.json"
