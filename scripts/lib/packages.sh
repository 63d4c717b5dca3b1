# shellcheck shell=bash
# Debian packages, and only those that are missing.

# shellcheck disable=SC2034 # these lists are read by setup.sh
# For the crates: RocksDB is C++, and its bindings are made with libclang.
PACKAGES_FOR_CRATES=(g++ make pkg-config clang libclang-dev)

# shellcheck disable=SC2034
# For Bitcoin Core besides, when it has to be built.
PACKAGES_FOR_BITCOIND=(cmake ninja-build libevent-dev libboost-dev)

# shellcheck disable=SC2034
# For the GPU engine: Vulkan's loader, and a driver in software for machines without a card.
PACKAGES_FOR_VULKAN=(libvulkan1 mesa-vulkan-drivers)

# need_packages PACKAGE…: install what is missing of these.
need_packages() {
    if ! command -v apt-get >/dev/null; then
        need_programs_without_apt "$@"
        return
    fi
    local missing=() package
    for package; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} = 0 ]; then
        say "Debian packages: all here"
        return
    fi
    say "Debian packages: installing ${missing[*]}"
    apt_install "${missing[@]}"
}

is_installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# Install as root, whichever way this user becomes root.
apt_install() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0) root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "these Debian packages are missing: $*; you are not root, and there is no sudo." \
                "have an administrator run: apt-get install $*"
        root=(sudo)
        [ -t 0 ] || root=(sudo -n) # nobody is there to type a password
    fi
    # A fresh machine or container has no package lists yet.
    "${root[@]}" "${apt[@]}" install --no-install-recommends "$@" || {
        note "trying again with fresh package lists"
        "${root[@]}" "${apt[@]}" update && "${root[@]}" "${apt[@]}" install --no-install-recommends "$@"
    } || die "apt-get could not install: $*" \
        "read its messages above (no network? no right to use sudo? another apt running?)," \
        "then run as root: apt-get update && apt-get install $*"
}

# Elsewhere we cannot install anything, only check that the compilers are there.
need_programs_without_apt() {
    local missing=() package program
    for package; do
        case $package in
            ninja-build) program=ninja ;;
            lib*) continue ;; # the build says so if headers are missing
            *-drivers) continue ;; # no program; the tests say so if there is none
            *bios | bochs-term | *linux*) continue ;; # files that Bochs boots with, which its log names
            busybox-static) program=busybox ;;
            *) program=$package ;;
        esac
        command -v "$program" >/dev/null || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] ||
        die "these are missing: ${missing[*]}; and there is no apt-get to install them with." \
            "install what your system calls these Debian packages: $*"
    say "Packages: no apt-get here; relying on your system's counterparts of $*"
}
