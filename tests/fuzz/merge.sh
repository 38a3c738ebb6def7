#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes the kept corpora of the named targets anew: of what is kept, what was found (build/fuzz) and
# the seeds, the fewest and smallest inputs that reach as much (`make fuzz-merge`).
set -eu
cd "$(dirname "$0")/../.."
build=${FUZZ_BUILD:-build/fuzz}
most=120 # inputs; with more, those go that differ only in how often a branch is taken

count() {
    find "$1" -type f | wc -l
}

merge() { # NAME OPTION FOLDER...: into build/fuzz/NAME/merged
    name=$1
    option=$2
    shift 2
    eval "flags=\${FUZZ_FLAGS_$name:-}"
    new=$build/$name/merged
    rm -rf "$new"
    mkdir -p "$new"
    # shellcheck disable=SC2086
    "$build/fuzz_$name" $flags -set_cover_merge=1 "$option" "$new" "$@" \
        >"$build/$name/merge.log" 2>&1 || {
        tail -n 40 "$build/$name/merge.log"
        exit 1
    }
}

for name in "$@"; do
    kept=tests/fuzz/corpus/$name
    folders="$kept $build/seeds/$name $build/$name/corpus"
    mkdir -p $folders
    merge "$name" -use_counters=1 $folders
    [ "$(count "$build/$name/merged")" -le $most ] || merge "$name" -use_counters=0 $folders
    rm -rf "$kept"
    mv "$build/$name/merged" "$kept"
    echo "$name: $(count "$kept") inputs, $(cat "$kept"/* | wc -c) bytes"
done
