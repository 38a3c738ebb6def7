#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What a reader trips over: missing licence lines, notes to self, dead code, loose whitespace.
set -eu
cd "$(dirname "$0")/.."
bad=0
files=$(git ls-files -co --exclude-standard | while read -r f; do [ -f "$f" ] && echo "$f"; done)
text=$(echo "$files" | grep -E '\.(c|h|S|def|in|lds|py|sh|mk|md)$|^Makefile$|tools/dom0/init$|^\.ci/run$')
code=$(echo "$text" | grep -E '\.(c|h|S|py|sh)$')

report() { # title, lines
    [ -z "$2" ] || {
        printf 'tidy: %s\n%s\n' "$1" "$2" >&2
        bad=1
    }
}

for file in $code; do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' || report "no licence line" "$file"
done
# split so that this file does not find itself
notes='TO''DO|FIX''ME|XX''X|HA''CK'
report "notes to self" "$(grep -nwE "$notes" $text /dev/null || true)"
report "code switched off" "$(grep -nE '^[[:space:]]*#[[:space:]]*if[[:space:]]+0' $code /dev/null || true)"
report "commented-out code" \
    "$(grep -nE '^[[:space:]]*//.*;[[:space:]]*$' $(echo "$code" | grep -E '\.(c|h|S)$') /dev/null || true)"
report "space at the end of a line" "$(grep -nE '[[:blank:]]+$' $text /dev/null | cut -d: -f1,2 || true)"
report "tabs in C" "$(grep -nP '^\t' $(echo "$code" | grep -E '\.(c|h)$') /dev/null | cut -d: -f1,2 || true)"
report "lines over 120 columns" "$(grep -nE '^.{121,}' $code /dev/null | cut -d: -f1,2 || true)"
for file in $text; do
    [ -z "$(tail -c 1 "$file")" ] || report "no newline at the end" "$file"
done
long=$(for file in $(echo "$code" | grep -E '^(lib|core|boot|drv|arch|include)/'); do
    n=$(wc -l <"$file")
    [ "$n" -le 700 ] || echo "$file: $n lines"
done)
report "files over 700 lines" "$long"
exit $bad
