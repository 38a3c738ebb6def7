#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs fuzz targets that are built already (tests/fuzz/fuzz.mk calls this).
#   run.sh one NAME SECONDS          fuzzes one, showing what libFuzzer says
#   run.sh smoke SECONDS NAME...     replays corpora and regressions of all, then fuzzes each for a
#                                    share of the time, two at once; ends with `N passed, N failed`
#   run.sh replay|fresh NAME [SECONDS]   one part of that, output and status in files
# What is found goes to build/fuzz/NAME/corpus, inputs that fail to build/fuzz/NAME/crashes.
set -u
cd "$(dirname "$0")/../.."
build=${FUZZ_BUILD:-build/fuzz}
export ASAN_OPTIONS="detect_leaks=1:handle_abort=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
limits="-timeout=10 -rss_limit_mb=1024"

flags_of() { # NAME: the target's own options
    eval "printf '%s' \"\${FUZZ_FLAGS_$1:-}\""
}

corpus_of() { # NAME: the folders of inputs that are kept
    for folder in tests/fuzz/corpus/"$1" tests/fuzz/regressions/"$1"; do
        [ ! -d "$folder" ] || echo "$folder"
    done
}

fuzz() { # NAME SECONDS
    mkdir -p "$build/$1/corpus" "$build/$1/crashes"
    # shellcheck disable=SC2046,SC2086 # lists of words
    "$build/fuzz_$1" $(flags_of "$1") $limits -max_total_time="$2" -seed="${SEED:-0}" \
        -artifact_prefix="$build/$1/crashes/" -print_final_stats=1 ${ARGS:-} \
        "$build/$1/corpus" $(corpus_of "$1")
}

reproduce() { # NAME OUTPUT: how to see the failure again
    input=$(sed -n 's/^artifact_prefix=.*; Test unit written to //p' "$2" | tail -n 1)
    if [ -n "$input" ]; then
        echo "fuzz-$1: kept the input; reproduce: $build/fuzz_$1 $input"
        echo "fuzz-$1: once it is mended, move it: tests/fuzz/regressions/$1/WHAT-IT-SHOWS"
    else
        echo "fuzz-$1: no input was written; the run was: SEED=$(seed_in "$2") make fuzz-$1"
    fi
}

seed_in() {
    sed -n 's/^INFO: Seed: //p' "$1" | head -n 1
}

stat_in() { # NAME-OF-NUMBER OUTPUT
    sed -n "s/^stat::$1: *//p" "$2"
}

# Each kept input alone, whole whatever its size.
replay() { # NAME
    out=$build/$1/replay.log
    mkdir -p "$build/$1"
    # shellcheck disable=SC2046
    find $(corpus_of "$1") tests/fuzz/corpus/"$1" -type f 2>/dev/null | sort -u >"$out.files"
    if [ ! -x "$build/fuzz_$1" ]; then
        echo "fuzz-$1: did not build"
        return 1
    elif [ ! -s "$out.files" ]; then
        echo "fuzz-$1: has no corpus"
        return 1
    elif ! xargs "$build/fuzz_$1" $limits <"$out.files" >"$out" 2>&1; then
        tail -n 40 "$out"
        input=$(sed -n 's/^Running: //p' "$out" | tail -n 1)
        echo "fuzz-$1: a kept input fails; reproduce: $build/fuzz_$1 $input"
        return 1
    fi
    echo "fuzz-$1: $(wc -l <"$out.files") inputs replayed"
}

fresh() { # NAME SECONDS
    out=$build/$1/fresh.log
    mkdir -p "$build/$1"
    if [ ! -x "$build/fuzz_$1" ]; then
        echo "fuzz-$1: did not build"
        return 1
    elif ! fuzz "$1" "$2" >"$out" 2>&1; then
        # What failed and where, without the input in three notations.
        grep -v -e '^[#\\]' -e '^0x' -e '^MS:' -e '^Base64:' -e '^stat::' -e NEW_FUNC "$out" | tail -n 50
        reproduce "$1" "$out"
        return 1
    fi
    echo "fuzz-$1: seed $(seed_in "$out"): $(stat_in number_of_executed_units "$out") runs," \
        "$(stat_in average_exec_per_sec "$out") per second," \
        "$(sed -n 's/.*DONE *cov: \([0-9]*\).*/\1/p' "$out") branches reached"
}

smoke() { # SECONDS NAME...
    seconds=$1
    shift
    # Two at once, so that all of them together take the time that was asked for.
    share=$(((2 * seconds + $# - 1) / $#))
    rm -rf "$build/status"
    mkdir -p "$build/status"
    printf '%s\n' "$@" | xargs -P 2 -I NAME "$0" replay NAME
    printf '%s\n' "$@" | xargs -P 2 -I NAME "$0" fresh NAME "$share"
    passed=$(cat "$build"/status/* | grep -c '^0$')
    failed=$((2 * $# - passed))
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

part() { # replay|fresh NAME [SECONDS]: says all at once, since another one runs beside it
    text=$("$@")
    echo $? >"$build/status/$1-$2"
    printf '%s\n' "$text"
}

job=$1
shift
case $job in
one)
    out=$build/$1/run.log
    mkdir -p "$build/$1"
    { fuzz "$@" 2>&1; echo $? >"$build/$1/run.status"; } | tee "$out"
    status=$(cat "$build/$1/run.status")
    [ "$status" -eq 0 ] || reproduce "$1" "$out"
    exit "$status" ;;
replay | fresh) part "$job" "$@" ;;
smoke) smoke "$@" ;;
*)
    echo "run.sh: unknown job '$job'" >&2
    exit 64 ;;
esac
