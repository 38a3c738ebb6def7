#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes the header with what the hypervisor says about its own build: compiler, date and commit.
# Only the commit and the compiler decide the contents. The file is touched only when they change.
# usage: build_info.sh <header> <compiler>
set -eu
out=$1
compiler=$($2 --version | head -n 1)
date=$(LC_ALL=C date -u -d "@${SOURCE_DATE_EPOCH:-0}" '+%a %b %e %H:%M:%S UTC %Y')
commit=$(git log -1 --format='%cd git:%h' --abbrev=10 --date=format:'%a %b %e %H:%M:%S %Y %z' 2>/dev/null ||
    echo unavailable)
mkdir -p "$(dirname "$out")"
cat > "$out.new" <<END
/* Made by tools/build_info.sh. */
#pragma once
#define BUILD_COMPILER "$compiler"
#define BUILD_BY       "krypton"
#define BUILD_DOMAIN   "localdomain"
#define BUILD_DATE     "$date"
#define BUILD_COMMIT   "$commit"
END
if cmp -s "$out" "$out.new"; then rm "$out.new"; else mv "$out.new" "$out"; fi
