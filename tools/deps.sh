#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs with apt what a job needs and the machine lacks; says nothing when all is there.
# usage: tools/deps.sh build|check|run|iso|test|coverage|fuzz|bench|gdb ...
#
# Each need is "probe package...": the probe is a command to be found, a file to exist or FILE:WORD for
# a word in it, so that the usual case costs no package query.
set -eu

needs() {
    case $1 in
    build)
        echo "gcc gcc libc6-dev"
        echo "ld binutils"
        echo "gzip gzip"
        # SRSO_US_NO came with the security suite's 4.17.7
        echo "/usr/include/xen/arch-x86/cpufeatureset.h:SRSO_US_NO libxen-dev"
        echo "/usr/include/lzma.h liblzma-dev"
        echo "/usr/include/zstd.h libzstd-dev"
        echo "/usr/include/lz4.h liblz4-dev"
        echo "/usr/include/zlib.h zlib1g-dev"
        echo "/usr/lib/python3*/tarfile.py python3" ;;
    check)
        needs build
        echo "clang-format clang-format"
        echo "cppcheck cppcheck" ;;
    run)
        needs build
        echo "qemu-system-x86_64 qemu-system-x86" ;;
    iso)
        needs run
        echo "grub-mkrescue grub-common"
        echo "/usr/lib/grub/i386-pc/multiboot2.mod grub-pc-bin"
        echo "xorriso xorriso"
        echo "mformat mtools" ;;
    gdb)
        needs run
        echo "gdb gdb" ;;
    test)
        needs iso
        echo "/usr/include/cmocka.h libcmocka-dev"
        echo "/usr/include/Zydis/Zydis.h libzydis-dev"
        echo "/usr/lib/gcc/x86_64-linux-gnu/*/libasan.so libgcc-12-dev"
        echo "gdb gdb"
        echo "xz xz-utils"
        echo "zstd zstd"
        echo "lz4 lz4" ;;
    coverage)
        needs test ;; # gcov comes with gcc
    fuzz)
        needs build
        echo "clang clang"
        # clang's own libraries: Debian 12 has them apart from the compiler
        echo "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a libclang-rt-dev"
        echo "llvm-symbolizer llvm"
        echo "/usr/include/cmocka.h libcmocka-dev"
        echo "/usr/include/Zydis/Zydis.h libzydis-dev" ;;
    bench)
        needs run ;;
    *)
        echo "deps.sh: unknown job '$1'" >&2
        exit 64 ;;
    esac
}

present() {
    case $1 in
    /*:*) grep -qsw "${1#*:}" "${1%%:*}" ;;
    /*)
        set -- $1 # a pattern: the first match stands for all
        [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Runs a command as root, and shows its output only when it fails.
as_root() {
    log=$(mktemp)
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null && rm -f "$log" && return 0
    else
        sudo DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 && rm -f "$log" && return 0
    fi
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
}

if [ "${1:-}" = --update ]; then
    as_root apt-get update
    exit
fi

missing=
for job in "$@"; do
    list=$(needs "$job")
    while read -r probe packages; do
        present "$probe" || missing="$missing $packages"
    done <<LIST
$list
LIST
done
[ -n "$missing" ] || exit 0

missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
command -v apt-get >/dev/null 2>&1 || {
    echo "deps.sh: this needs Debian's packages: $missing" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1 || {
    echo "deps.sh: neither root nor sudo; please install as root: $missing" >&2
    exit 1
}
echo "installing: $missing" >&2
# Old lists name old versions: ask for new ones first when the last look is a day ago.
lists=/var/lib/apt/lists
fresh=$(find "$lists/partial" /var/lib/apt/periodic/update-success-stamp -maxdepth 0 -mtime -1 2>/dev/null || true)
[ -n "$(find /etc/apt/sources.list* -newer "$lists/partial" 2>/dev/null)" ] && fresh=
install="apt-get install -y -qq --no-install-recommends $missing"
if [ -n "$fresh" ] && as_root $install 2>/dev/null; then
    exit 0
fi
as_root apt-get update || true # one archive of several may be away: what counts is the installation
as_root $install || {
    echo "deps.sh: could not install: $missing" >&2
    exit 1
}
