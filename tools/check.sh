#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Everything that is checked without running the hypervisor. Each part says what is wrong where.
set -u
cd "$(dirname "$0")/.."
bad=0

part() { # title command...
    title=$1
    shift
    if "$@"; then
        echo "check: $title ok"
    else
        echo "check: $title FAILED"
        bad=1
    fi
}

c_files() {
    git ls-files -co --exclude-standard -- '*.c' '*.h' | while read -r f; do [ -f "$f" ] && echo "$f"; done
}

format() {
    c_files | xargs clang-format --dry-run -Werror 2>&1 | grep -E 'error:' | sed 's/ \[-W.*//' | sort -u |
        awk '{ print } END { exit NR > 0 }'
}

# What cppcheck is good at: memory and resources, uninitialised values, wrong arithmetic. Its style
# remarks are not asked for.
static() {
    files=$(c_files | grep -E '^(lib|core|boot|drv|arch)/.*\.c$' || true)
    [ -n "$files" ] || return 0
    mkdir -p build/cppcheck
    cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
        --std=c11 --platform=unix64 --cppcheck-build-dir=build/cppcheck -j2 \
        --suppressions-list=tools/cppcheck.txt \
        -D__XEN_TOOLS__ -D__x86_64__ -D__GNUC__ -Iinclude -Iarch/x86/include -Ibuild/gen $files
}

part "layering" tools/layering.sh
part "hypercall table" tools/hypercalls_doc.py --check
part "documents" tools/docs_check.py
part "tidy" tools/tidy.sh
part "format" format
part "static analysis" static
exit $bad
