#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Code lines (neither blank nor comment only) of the hypervisor, per folder and in total.
set -eu
cd "$(dirname "$0")/.."
git ls-files -co --exclude-standard -- 'lib/*' 'core/*' 'boot/*' 'drv/*' 'arch/*' 'include/*' |
    grep -E '\.(c|h|S|def|lds|ld)$' | while read -r f; do
    n=$(sed -E 's://.*$::' "$f" | perl -0pe 's:/\*.*?\*/::gs' | grep -c '[^[:space:]]' || true)
    printf '%s %s\n' "$(dirname "$f")" "$n"
done | awk '{ n[$1] += $2; t += $2 }
    END { for (d in n) printf "%7d %s\n", n[d], d; printf "%7d total\n", t }' | sort -k2
