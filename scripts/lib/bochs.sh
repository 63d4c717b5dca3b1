# shellcheck shell=bash
# A PC in Bochs, an emulator that knows AVX-512 IFMA, with a Linux kernel and one program.
#
# The program and its libraries are the whole system: they lie in the initial file system, which with the
# kernel makes a bootable CD. What the program prints goes to the serial port, which Bochs writes to a file.

# shellcheck disable=SC2034 # read by test-ifma.sh
PACKAGES_FOR_BOCHS=(bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso busybox-static)

# A processor with IFMA, ADX and BMI2, as Bochs calls it. (Linux does not boot on the Ice Lake of Bochs 2.7.)
BOCHS_CPU=${TACIT_BOCHS_CPU:-corei3_cnl}

# Bochs 2.7 states wrong sizes for the state that protection keys (515) and compaction (XSAVEC 321, XSAVES
# 323) add; Linux would therefore do without AVX. Nothing here needs them. The kernel's tests of its own
# cryptography would take longer than ours.
KERNEL_PARAMETERS='console=ttyS0,115200 loglevel=4 clearcpuid=515,321,323 cryptomgr.notests=1'
KERNEL_PARAMETERS+=' mitigations=off tsc=reliable no_timer_check random.trust_cpu=on panic=-1'

# The folder of all that is kept: kernels, the CD, what was printed.
bochs_folder() { echo "$TACIT_CACHE/bochs"; }

bochs_version() { bochs --help 2>&1 | sed -nE '/x86 Emulator/s/^ *(Bochs).* ([0-9.]+).*/\1 \2/p'; }

# need_kernel: leave the path of a kernel in $kernel. Nothing is installed: the package is only unpacked.
need_kernel() {
    kernel=${TACIT_BOCHS_KERNEL:-}
    if [ "$kernel" ]; then
        [ -r "$kernel" ] || die "TACIT_BOCHS_KERNEL is $kernel, which cannot be read." "name a Linux kernel (vmlinuz)."
        return
    fi
    local package folder
    folder=$(bochs_folder)/kernel
    package=$(kernel_package)
    [ "$package" ] || die "no package with a Linux kernel for virtual machines is known to apt-get." \
        "run apt-get update, or set TACIT_BOCHS_KERNEL to a kernel (vmlinuz) for x86-64."
    kernel=$(kernel_in "$folder/$package")
    [ ! "$kernel" ] || return 0
    say "$package: fetching and unpacking (once, into the cache; it is not installed)"
    rm -rf "$folder" && mkdir -p "$folder/$package"
    # Fetched as this user, who owns the folder, not as one of apt's own.
    (cd "$folder" && apt-get -q -o APT::Sandbox::User=root download "$package" &&
        dpkg-deb -x ./*.deb "$package" && rm ./*.deb) ||
        die "the package $package could not be fetched and unpacked." \
            "read the messages above, or set TACIT_BOCHS_KERNEL to a kernel (vmlinuz) for x86-64."
    kernel=$(kernel_in "$folder/$package")
    [ "$kernel" ] || die "the package $package has no vmlinuz." "set TACIT_BOCHS_KERNEL to a kernel for x86-64."
}

kernel_in() { find "$1" -name 'vmlinuz-*' -print -quit 2>/dev/null || true; }

# The package that Debian's or Ubuntu's package for virtual machines stands for at present.
kernel_package() {
    local general
    for general in linux-image-cloud-amd64 linux-image-virtual; do
        apt-cache depends "$general" 2>/dev/null || true
    done | sed -nE 's/^ *Depends: (linux-image-[^ ]+)$/\1/p' | sed -n 1p
}

# make_cd PROGRAM SCRIPT: a CD that boots and runs SCRIPT, for which PROGRAM is /program.
make_cd() {
    local root cd
    root=$(bochs_folder)/root cd=$(bochs_folder)/cd
    rm -rf "$root" "$cd"
    mkdir -p "$root"/{bin,proc,sys,dev,tmp} "$cd/isolinux"
    cp "$(command -v busybox)" "$root/bin/busybox"
    strip --strip-debug -o "$root/program" "$1"
    ldd "$1" | grep -oE '/[^ ]+' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
    printf '%s\n' "$2" >"$root/script"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
/bin/busybox ip link set lo up
/bin/busybox sh /script
echo "exit status: $?"
/bin/busybox sleep 1 # until the line has gone out
/bin/busybox poweroff -f
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -6) >"$cd/initrd"
    cp "$kernel" "$cd/linux"
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/isolinux/"
    printf 'DEFAULT linux\nPROMPT 0\nLABEL linux\nKERNEL /linux\nINITRD /initrd\nAPPEND %s\n' "$KERNEL_PARAMETERS" \
        >"$cd/isolinux/isolinux.cfg"
    xorriso -as mkisofs -quiet -o "$cd.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table "$cd" 2>"$cd.log" ||
        die "xorriso could not make $cd.iso." "read $cd.log"
}

bochs_job=''    # the process of the PC that is on
bochs_screen='' # the process that reads its screen

# boot SECONDS: run the CD, its prints in $(bochs_folder)/serial; status 1 if it ended, or SECONDS passed, too early.
boot() {
    local folder serial start=$SECONDS debugger=()
    folder=$(bochs_folder) serial=$(bochs_folder)/serial
    rm -f "$folder"/*.lock && : >"$serial"
    cat >"$folder/bochsrc" <<RC
display_library: term
plugin_ctrl: unmapped=1, biosdev=1, extfpuirq=1, serial=1
cpu: model=$BOCHS_CPU, count=1, ips=200000000
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$folder/cd.iso, status=inserted
boot: cdrom
clock: sync=none
com1: enabled=1, mode=file, dev=$serial
log: $folder/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
RC
    # Debian's has a debugger, which waits for commands.
    case $(bochs --help 2>&1) in
        *' -rc '*) printf 'c\nquit\n' >"$folder/commands" && debugger=(-rc "$folder/commands") ;;
    esac
    in_background env TERM=linux bochs -q -f "$folder/bochsrc" "${debugger[@]}" >"$folder/out" 2>&1
    bochs_job=$!
    trap stop_bochs EXIT
    tail -n +1 -s 1 -f --pid="$bochs_job" "$serial" &
    until grep -qa '^exit status: ' "$serial" || [ $((SECONDS - start)) -ge "$1" ]; do
        kill -0 "$bochs_job" 2>/dev/null || break
        sleep 1
        watch_screen "$folder/out"
    done
    stop_bochs
    wait
    grep -qa '^exit status: ' "$serial"
}

# Bochs draws its screen on a terminal that it opens, and stands still when nobody reads there.
watch_screen() {
    local screen
    [ ! "$bochs_screen" ] || return 0
    screen=$(sed -nE 's/.*connected to screen "([^"]+)".*/\1/p' "$1")
    [ "$screen" ] || return 0
    stty -F "$screen" raw -echo
    cat "$screen" >/dev/null 2>&1 &
    bochs_screen=$!
}

# Bochs asks before it ends, unless it is killed.
stop_bochs() {
    [ ! "$bochs_screen" ] || kill "$bochs_screen" 2>/dev/null || true
    kill -KILL -- "-$bochs_job" 2>/dev/null || true
    wait "$bochs_job" 2>/dev/null || true
}
