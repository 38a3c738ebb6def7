#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Repeats the runs of seeds.txt with the given program; ends with `N passed, N failed`.
set -u
program=$1
passed=0
failed=0
while read -r seed steps _; do
    case $seed in
    '' | '#') continue ;;
    esac
    if "$program" --seed "$seed" --steps "$steps"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done <"$(dirname "$0")/seeds.txt"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
