# shellcheck shell=bash
# Which bitcoind to use. Nothing here builds one: see scripts/build-bitcoind.sh.

# The release whose source the crate in scripts/bitcoin-core/Cargo.toml carries.
BITCOIN_CORE_VERSION=31.99.0

# Older ones lack the RPC behaviour that the bridge relies on.
BITCOIND_MINIMUM=28

# Where the set-up puts the bitcoind that it builds.
cached_bitcoind() { echo "$TACIT_CACHE/bitcoind/$BITCOIN_CORE_VERSION/bin/bitcoind"; }

# bitcoind_version PROGRAM: "31.99.0"; empty when the program does not run or is something else.
bitcoind_version() {
    "$1" -version 2>/dev/null | sed -nE '1s/^Bitcoin Core .*version v?([0-9]+(\.[0-9]+)*).*/\1/p' || true
}

# usable_bitcoind PROGRAM: does it run, and is it recent enough?
usable_bitcoind() {
    local version
    version=$(bitcoind_version "$1")
    [ "${version%%.*}" ] && [ "${version%%.*}" -ge "$BITCOIND_MINIMUM" ]
}

# The one on the PATH when it will do, else the cached one, built or not.
choose_bitcoind() {
    local found
    found=$(command -v bitcoind) || true
    if usable_bitcoind "$found"; then echo "$found"; else cached_bitcoind; fi
}

# Is the chosen bitcoind the cached one, and still to be built?
bitcoind_is_missing() { [ "$BITCOIND_EXE" = "$(cached_bitcoind)" ] && ! usable_bitcoind "$BITCOIND_EXE"; }

# Refuse a BITCOIND_EXE that cannot work, before anything long starts.
check_chosen_bitcoind() {
    local version
    [ "$BITCOIND_EXE" != "$(cached_bitcoind)" ] || return 0
    command -v "$BITCOIND_EXE" >/dev/null ||
        die "BITCOIND_EXE is $BITCOIND_EXE, which is not a program that can be run." \
            "set BITCOIND_EXE to the full path of a bitcoind $BITCOIND_MINIMUM or newer," \
            "or unset it: the set-up then builds Bitcoin Core $BITCOIN_CORE_VERSION itself."
    version=$(bitcoind_version "$BITCOIND_EXE")
    [ "$version" ] ||
        die "BITCOIND_EXE is $BITCOIND_EXE, which does not answer -version as Bitcoin Core does." \
            "run '$BITCOIND_EXE -version' to see why (a missing library?)," \
            "or unset BITCOIND_EXE: the set-up then builds Bitcoin Core $BITCOIN_CORE_VERSION itself."
    usable_bitcoind "$BITCOIND_EXE" ||
        die "$BITCOIND_EXE is Bitcoin Core $version; Tacit needs $BITCOIND_MINIMUM or newer." \
            "set BITCOIND_EXE to a newer bitcoind," \
            "or unset it: the set-up then builds Bitcoin Core $BITCOIN_CORE_VERSION itself."
}
