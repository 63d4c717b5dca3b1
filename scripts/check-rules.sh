#!/usr/bin/env bash
# The house's rules that no other tool checks: small files, sound scripts, allowed crates.
# The last two need shellcheck and cargo-deny, and are left out where these are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh

most_lines=500
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.rs' '*.sh')
long=$(wc -l "${files[@]}" | awk -v most=$most_lines '$2 != "total" && $1 > most { print $2 " (" $1 " lines)" }')
[ -z "$long" ] || die "longer than $most_lines lines: ${long//$'\n'/, }" "split it by subject."
say "file sizes: at most $most_lines lines"
scripts/check-docs.sh

if command -v shellcheck >/dev/null; then
    shellcheck -x scripts/*.sh scripts/lib/*.sh .ci/run
    say "shell scripts: clean"
fi
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --log-level error check bans licenses sources
fi
