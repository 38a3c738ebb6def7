#!/bin/sh
# SPDX-License-Identifier: MIT
#
# threads.sh PROGRAM RUNS FIRST STEPS   seeds with CPUs as threads, a process each: a report of
# ThreadSanitizer, a broken rule or no end within a minute is a failure. Ends with
# `N passed, N failed`.
set -u
program=$1 runs=$2 first=$3 steps=$4
supp=$(dirname "$0")/threads.supp
export TSAN_OPTIONS="halt_on_error=1:exitcode=66:suppressions=$supp:${TSAN_OPTIONS:-}"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
passed=0 failed=0 seed=$first
while [ "$seed" -lt $((first + runs)) ]; do
    if timeout 20 "$program" --threads --cpus 4 --seed "$seed" --steps "$steps" >"$out" 2>&1; then
        passed=$((passed + 1))
        tail -n 1 "$out"
    else
        failed=$((failed + 1))
        cat "$out"
        echo "sim-threads: seed $seed failed, steps $steps"
    fi
    seed=$((seed + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
