#!/usr/bin/env bash
# The papers keep their word: every test that a table of docs/spec names exists, every file
# that a page links to or that code refers to is there.
# shellcheck disable=SC2016 # the backticks are those of the papers
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/say.sh

mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.rs')
mapfile -t pages < <(git ls-files --cached --others --exclude-standard '*.md')

# Names of test functions; attributes may stand between `#[test]` and the function.
tests=$(awk '/#\[test\]/ { test = 1; next }
    test && match($0, /fn [a-z0-9_]+/) { print substr($0, RSTART + 3, RLENGTH - 3); test = 0 }' \
    "${sources[@]}" | sort -u)

# Names in the last column of a table that are long enough to be sentences.
named=$(grep -h '^|' docs/spec/*.md | sed 's/ *| *$//; s/.*|//' |
    grep -oE '`[a-z0-9]+(_[a-z0-9]+){2,}`' | tr -d '`' | awk 'length > 11' | sort -u)
missing=$(comm -13 <(echo "$tests") <(echo "$named"))
[ -z "$missing" ] || die "docs/spec names tests that do not exist: ${missing//$'\n'/, }" "name the tests that prove these rules."

# Links, as page and target; code in a page links to nothing.
links=$(for page in "${pages[@]}"; do
    sed 's/`[^`]*`//g; /^    /d' "$page" | grep -oE '\]\([^)#]+' | sed "s|^](|$page |" || true
done)
while read -r page target; do
    case $target in '' | http*) continue ;; esac
    [ -e "$(dirname "$page")/$target" ] || die "$page links to $target, which is not there." "correct the link."
done <<<"$links"

refs=$(grep -hoE 'docs/[a-z]+/[a-z0-9-]+\.md' "${sources[@]}" | sort -u)
for ref in $refs; do
    [ -e "$ref" ] || die "code refers to $ref, which is not there." "write the page or correct the reference."
done
say "docs: $(wc -l <<<"$named") tests named, all of them exist"
