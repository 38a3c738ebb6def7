#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The arrows of docs/architecture.md, checked by what files include:
#   lib <- core <- boot; a port is reached through <kr/arch.h> alone; the neutral parts hold no assembly.
# A header <kr/NAME.h> belongs to the folder that has NAME.c.
set -eu
cd "$(dirname "$0")/.."
bad=0

say() { # file:line text
    echo "layering: $*" >&2
    bad=1
}

sources() { # folder...: its tracked and new C files and tables
    git ls-files -co --exclude-standard -- "$@" | grep -E '\.(c|h|S|def)$' || true
}

owner() { # header name without .h: the folder that implements it
    for folder in lib core boot drv; do
        [ -e "$folder/$1.c" ] && echo "$folder" && return
    done
    [ "$1" = arch ] && echo core || true
}

includes() { # file: LINE:NAME for each header it names
    grep -nE '^[[:space:]]*#[[:space:]]*include' "$1" |
        sed -E 's/^([0-9]+):[^<"]*[<"]([^>"]*)[>"].*/\1:\2/' || true
}

for file in $(sources lib core boot drv include/kr); do
    folder=${file%%/*}
    for item in $(includes "$file"); do
        line=${item%%:*} name=${item#*:}
        case $name in
        arch/types.h)
            [ "$file" = include/kr/arch.h ] ||
                [ "$file" = include/kr/domain.h ] ||
                say "$file:$line includes <$name>: only the port contract may" ;;
        arch/* | x86/* | arm64/* | sim/* | *../arch/*)
            say "$file:$line includes <$name> of a port" ;;
        kr/*)
            header=${name#kr/}
            of=$(owner "${header%.h}")
            case $folder:$of in
            lib:core | lib:boot | lib:drv)
                say "$file:$line includes <$name> of $of: lib knows nothing of the hypervisor" ;;
            core:boot)
                [ "$file" = core/main.c ] || say "$file:$line includes <$name> of boot" ;;
            esac ;;
        esac
    done
done

neutral=$(sources lib core boot drv include/kr)
pure=$(sources 'arch/*/pure/*')
found=$(grep -nwE '__asm__|asm' $neutral $pure /dev/null | grep -vE ':[0-9]+: *(\*|/\*|//)' || true)
[ -z "$found" ] || say "assembly in neutral or pure code:
$found"

exit $bad
