#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the given test targets one after the other; each must end with `N passed, N failed`.
# The last line is their sum, what failed is named again before it. A target that fails without such a
# line counts as one failure.
set -u
cd "$(dirname "$0")/.."

# What the layers say of one failure, each in its way.
failures='^FAIL |^ *not ok |^== failed in|did not (build|run)|reproduce: |: seed [0-9]+.* failed'
failures="$failures"'|^[^ ]+: [0-9]+ passed, [1-9][0-9]* failed$'
passed=0
failed=0
out=$(mktemp)
trap 'rm -f "$out" "$out.status" "$out.failed"' EXIT
: >"$out.failed"

for target in "$@"; do
    echo "== $target"
    { make --no-print-directory "$target" 2>&1; echo $? >"$out.status"; } | tee "$out"
    status=$(cat "$out.status")
    counts=$(sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$out" | tail -n 1)
    good=${counts%% *}
    bad=${counts##* }
    if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
        bad=1
    fi
    passed=$((passed + ${good:-0}))
    failed=$((failed + ${bad:-0}))
    [ "${bad:-0}" -eq 0 ] || {
        echo "== failed in $target (status $status)"
        grep -E "$failures" "$out"
    } >>"$out.failed"
done

cat "$out.failed"
echo "== total"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
