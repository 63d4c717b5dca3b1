#!/usr/bin/env bash
# Run the tests of the engine for AVX-512 IFMA with the instructions themselves.
#
#     scripts/test-ifma.sh [--emulate]
#
# Where the processor has the instructions, the tests simply run. Elsewhere, or with --emulate, they run in
# Bochs, an emulator of whole PCs that knows them and is nobody's work here: it boots a Linux kernel with the
# tests and nothing else. That takes a while, and says nothing about speed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh
. scripts/env.sh
. scripts/lib/packages.sh
. scripts/lib/background.sh
. scripts/lib/bochs.sh

# It fails where another engine than that of eight lanes is chosen, and the others would have nothing to do.
witness=backend::cpu::tests::the_engine_detected_here_is_that_of_eight_lanes
# Parts of the names of tests. Bochs 2.7 errs in ADOX, which the single lane beside the eight is made of: there
# it is a portable one. (The lane with ADX is tested wherever the processor has that.)
native=(backend::cpu::)
emulated=("$witness" ifma::tests::every_vector_instruction eight_vector_lanes_alone)
most_seconds=${TACIT_IFMA_SECONDS:-7200} # an emulated run that takes longer has failed
output=$CARGO_TARGET_DIR/test-ifma.log

emulate=no
case ${1:-} in
    '') ;;
    --emulate) emulate=yes ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit ;;
    *) die "unknown option: $1" "see scripts/test-ifma.sh --help" ;;
esac
[ "$(uname -sm)" = "Linux x86_64" ] ||
    die "this is $(uname -sm); the engine for AVX-512 IFMA is for x86-64." "run it on Linux on x86-64."
for flag in avx512f avx512ifma adx bmi2; do
    grep -qw "$flag" /proc/cpuinfo || emulate=yes
done

say "building the tests of tacit-prover"
build=(cargo test -p tacit-prover --lib --no-run ${CARGO_FLAGS:+$CARGO_FLAGS})
program=$("${build[@]}" --message-format=json-render-diagnostics |
    sed -nE 's/.*"executable":"([^"]+)".*/\1/p' | tail -n 1)
[ -x "$program" ] || die "cargo built no test program of tacit-prover." "run: ${build[*]}"

if [ $emulate = no ]; then
    say "this processor has AVX-512 IFMA: running the tests on it"
    (cd prover && "$program" --include-ignored "${native[@]}") 2>&1 | tee "$output" || true
else
    need_packages "${PACKAGES_FOR_BOCHS[@]}"
    need_kernel
    make_cd "$program" "/program --include-ignored --test-threads=1 ${emulated[*]}"
    say "running the tests in $(bochs_version) as ${BOCHS_CPU}, with $(basename "$kernel")"
    note "this takes a while and says nothing about speed; what the machine prints:"
    boot "$most_seconds" || die "the tests did not come to an end in Bochs, which had $(elapsed "$most_seconds")." \
        "read $(bochs_folder)/serial and $(bochs_folder)/bochs.log; TACIT_IFMA_SECONDS=… gives it more time."
    tr -d '\r' <"$(bochs_folder)/serial" >"$output"
fi

grep -qa '^test result: ok\. [1-9][0-9]* passed; 0 failed; 0 ignored' "$output" ||
    die "the tests did not pass." "read $output"
grep -qaE "^test $witness .*ok$" "$output" ||
    die "the tests did not run with AVX-512 IFMA." "read $output for what $witness says."
say "the engine of eight lanes passed its tests with AVX-512 IFMA's own instructions"
