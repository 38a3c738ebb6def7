#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs unit test programs, shows the output of those that fail, ends with `N passed, N failed`.
# A program that did not build, crashed, leaked or hung counts as one failure.
set -u
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"

passed=0
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Sums the counts that cmocka printed after the given word.
cmocka_count() {
    sed -n "s/^\[  $1  \].* \([0-9][0-9]*\) test(s).*/\1/p" "$out" | awk '{ n += $1 } END { print n + 0 }'
}

for program in "$@"; do
    name=$(basename "$program")
    if [ ! -x "$program" ]; then
        echo "$name: did not build"
        failed=$((failed + 1))
        continue
    fi
    timeout 120 "$program" >"$out" 2>&1
    status=$?
    good=$(cmocka_count PASSED)
    bad=$(cmocka_count FAILED)
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    echo "$name: $good passed, $bad failed"
    if [ "$bad" -ne 0 ]; then
        grep -v -e '^\[ RUN' -e '^\[       OK' "$out"
        [ "$status" -ne 124 ] || echo "$name: stopped after 120 s"
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
