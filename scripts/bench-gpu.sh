#!/usr/bin/env bash
# Build, check and time the GPU engine on this machine, in under ten minutes where there is a card.
#
#     scripts/bench-gpu.sh [OPTIONS OF THE PROGRAM, for instance --adapter NAME or --most LOG2]
#
# Without a card it runs on software Vulkan, at sizes that say nothing about a card but show that
# everything is right. The table goes to the terminal, all figures to benches/results/gpu.json.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh
. scripts/env.sh

say "building"
# The development profile compiles arithmetic with full optimisation.
cargo build -p tacit-prover --example bench_gpu ${CARGO_FLAGS:+$CARGO_FLAGS}
say "measuring"
"$CARGO_TARGET_DIR/debug/examples/bench_gpu" "$@"
