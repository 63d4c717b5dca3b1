# shellcheck shell=bash
# snarkjs, the outside program that prover/tests/snarkjs runs, and the Node.js that runs it.

# Pinned, with everything it depends on, by the package-lock.json beside this file of npm's.
SNARKJS_PACKAGE=prover/tests/snarkjs/package.json

NODE_MINIMUM=18

# cached_snarkjs ROOT: where the set-up puts the program that the checkout at ROOT pins.
cached_snarkjs() {
    local version
    version=$(sed -n 's/^ *"snarkjs": "\(.*\)".*/\1/p' "$1/$SNARKJS_PACKAGE" 2>/dev/null || true)
    echo "$TACIT_CACHE/tools/snarkjs-${version:-unknown}/node_modules/snarkjs/build/cli.cjs"
}

# need_node: installed if it is missing, refused if it is too old.
need_node() {
    local version
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then need_packages nodejs npm; fi
    version=$(node --version 2>/dev/null) || die "'node --version' fails." "run it to see why."
    at_least "${version#v}" "$NODE_MINIMUM" ||
        die "this is Node.js ${version#v}; snarkjs needs $NODE_MINIMUM or newer." \
            "install a newer one, or remove it and let the set-up install your system's."
}

# need_snarkjs: into the cache, whole or not at all. Run it from the root of the checkout.
need_snarkjs() {
    local folder partial
    need_node
    if [ -f "$TACIT_SNARKJS" ]; then
        say "snarkjs: $TACIT_SNARKJS"
        return
    fi
    [ "$TACIT_SNARKJS" = "$(cached_snarkjs .)" ] ||
        die "TACIT_SNARKJS is $TACIT_SNARKJS, which is not there." \
            "unset TACIT_SNARKJS: the set-up then installs the release that the tests are written for."
    folder=${TACIT_SNARKJS%/node_modules/*}
    partial=$folder.partial.$$
    say "snarkjs: installing $(basename "$folder") into the cache"
    rm -rf "$partial"
    mkdir -p "$partial"
    cp "$SNARKJS_PACKAGE" "${SNARKJS_PACKAGE%.json}-lock.json" "$partial"
    npm ci --prefix "$partial" --ignore-scripts --no-audit --no-fund --loglevel=error ||
        die "npm could not install snarkjs." \
            "read its messages above (no network?) and run the same command again."
    rm -rf "$folder"
    mv "$partial" "$folder"
}
