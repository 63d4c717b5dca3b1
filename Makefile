# Everything starts here: `make` lists it. Each target sets the machine up as far as needed.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Flags for every cargo command, for instance CARGO_FLAGS=--locked.
CARGO_FLAGS ?=
ENV := . scripts/env.sh &&

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install and build what Tacit needs: packages, bitcoind, the test runner, snarkjs
	@scripts/setup.sh --tests

.PHONY: build
build: ## compile the whole workspace
	@scripts/setup.sh --no-bitcoind
	@$(ENV) cargo build --workspace $(CARGO_FLAGS)

.PHONY: demo
demo: ## watch the rollup at work on a private Bitcoin chain; the record goes to target/demo
	@scripts/setup.sh --meanwhile cargo build -p tacit-node $(CARGO_FLAGS)
	@$(ENV) "$$CARGO_TARGET_DIR/debug/tacit" demo --out target/demo

.PHONY: demo-federation
demo-federation: ## watch five signers pay while one is dead and one lies; the record goes to target/demo-federation
	@scripts/setup.sh --meanwhile cargo build -p tacit-node $(CARGO_FLAGS)
	@$(ENV) "$$CARGO_TARGET_DIR/debug/tacit" demo --federation --out target/demo-federation

.PHONY: test
test: ## run every test, those against a real bitcoind included
	@scripts/setup.sh --tests --meanwhile cargo nextest run --workspace --no-run $(CARGO_FLAGS)
	@$(ENV) cargo nextest run --workspace $(CARGO_FLAGS)
	@$(ENV) cargo test --doc --workspace $(CARGO_FLAGS)

.PHONY: test-ifma
test-ifma: ## run the AVX-512 IFMA engine's tests with its own instructions, in an emulator where the processor has none
	@scripts/setup.sh --no-bitcoind
	@$(ENV) scripts/test-ifma.sh

.PHONY: soak
soak: ## crash the vault, the sequencer and signers a thousand times and count the money; the report goes to target/soak
	@scripts/setup.sh --tests --meanwhile cargo nextest run -p tacit-bridge -p tacit-tests -p tacit-node --no-run $(CARGO_FLAGS)
	@$(ENV) scripts/soak.sh

.PHONY: lint
lint: ## check formatting, lints, documentation and the house's rules
	@$(ENV) cargo fmt --all --check
	@scripts/setup.sh --no-bitcoind
	@$(ENV) scripts/check-rules.sh
	@$(ENV) cargo clippy --workspace --all-targets $(CARGO_FLAGS) -- -D warnings
	@$(ENV) RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(CARGO_FLAGS)

.PHONY: bench
bench: bench-prover ## measure proving, verifying, admission, scanning and hashing beside outside peers
	@$(ENV) cargo bench -p tacit-benches --profile dev $(CARGO_FLAGS)

.PHONY: bench-prover
bench-prover: ## race our prover against ark-groth16 and snarkrs; results go to benches/results
	@scripts/setup.sh --no-bitcoind
	@$(ENV) cargo run -p tacit-benches --bin race $(CARGO_FLAGS)

.PHONY: bench-growth
bench-growth: ## how our proving time grows from 2^16 to 2^21 constraints; results go to benches/results/growth
	@scripts/setup.sh --no-bitcoind
	@$(ENV) cargo run -p tacit-benches --bin race $(CARGO_FLAGS) -- --engines tacit --transfers 4,8,16,32,64,128 --rounds 3 --out benches/results/growth

.PHONY: bench-gpu
bench-gpu: ## check and measure the GPU engine, on a card or in software
	@scripts/setup.sh --no-bitcoind --vulkan
	@$(ENV) scripts/bench-gpu.sh

.PHONY: keys
keys: ## make the proving keys now rather than on first use
	@scripts/setup.sh --no-bitcoind
	@$(ENV) cargo run -p tacit-node $(CARGO_FLAGS) -- keys

.PHONY: clean-cache
clean-cache: ## remove all that was built: bitcoind, tools, proving keys, compiled crates
	@$(ENV) scripts/clean-cache.sh
