# shellcheck shell=bash
# The Rust toolchain (never installed from here) and the test runner (installed if missing).

RUST_MINIMUM=1.90    # as rust-version in Cargo.toml
NEXTEST_VERSION=0.9.120 # builds with RUST_MINIMUM; any other that is installed will do

check_rust() {
    local version
    command -v cargo >/dev/null ||
        die "cargo is not installed, or not on the PATH." \
            "install Rust $RUST_MINIMUM or newer, with rustup or from your distribution, and open a new shell."
    version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2)
    [ "$version" ] ||
        die "'rustc --version' fails." "run it to see why; 'rustup default stable' often helps."
    at_least "$version" "$RUST_MINIMUM" ||
        die "this is Rust $version; Tacit needs $RUST_MINIMUM or newer." \
            "run: rustup update stable"
    say "Rust $version"
}

# Into the cache, not among your own tools. It is only a runner: built quickly, not to run quickly.
need_nextest() {
    if cargo nextest --version >/dev/null 2>&1; then
        return
    fi
    say "cargo-nextest: not installed; building $NEXTEST_VERSION (a few minutes, once)"
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_TARGET_DIR=$TACIT_CACHE/tools/build \
        cargo install "cargo-nextest@$NEXTEST_VERSION" --locked --quiet --root "$TACIT_CACHE/tools" \
        --no-default-features --features default-no-update ||
        die "cargo-nextest could not be built." \
            "read Cargo's messages above, or install it yourself: cargo install cargo-nextest --locked"
    rm -rf "$TACIT_CACHE/tools/build"
}
