#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the symbol table (include/kr/symbol.h) as C from the output of `nm -n -S`.

usage: nm -n -S image | symbols.py > symbols.c      the table of that image
       symbols.py --empty > symbols.c               a table without symbols, for the first link

The output depends on the input alone. Addresses are relative to symbol_lookup(), so that the table
needs no relocation and the image may run anywhere.
"""
import sys

BLOCK = 16  # SYMBOL_BLOCK
NAME_MAX = 255
ANCHOR = "symbol_lookup"


def read_functions(lines):
    """Address, size and name of each function, one per address, ascending."""
    best = {}
    for line in lines:
        fields = line.split()
        if len(fields) not in (3, 4) or fields[-2] not in "tTwW":
            continue
        address, kind, name = int(fields[0], 16), fields[-2], fields[-1]
        size = int(fields[1], 16) if len(fields) == 4 else 0
        if name.startswith((".", "$")):
            continue
        # Of several names for one address take a global one, then one with a size, then by name.
        rank = (kind not in "TW", size == 0, name)
        if address not in best or rank < best[address][0]:
            best[address] = (rank, size, name[:NAME_MAX])
    return [(address, size, name) for address, (_, size, name) in sorted(best.items())]


def pack_names(names):
    """The packed bytes and where each block starts."""
    packed, blocks, previous = bytearray(), [], b""
    for index, name in enumerate(n.encode() for n in names):
        shared = 0
        if index % BLOCK == 0:
            blocks.append(len(packed))
        else:
            while shared < min(len(name), len(previous)) and name[shared] == previous[shared]:
                shared += 1
        packed += bytes([shared, len(name) - shared]) + name[shared:]
        previous = name
    return packed, blocks


def print_array(declaration, values):
    print(f"{declaration} = {{")
    values = [str(v) for v in values] or ["0"]
    for start in range(0, len(values), 12):
        print("    " + ", ".join(values[start : start + 12]) + ",")
    print("};")


def main():
    functions = []
    if sys.argv[1:] != ["--empty"]:
        functions = read_functions(sys.stdin)
        anchor = [address for address, _, name in functions if name == ANCHOR]
        if not anchor:
            sys.exit(f"symbols.py: no function {ANCHOR} in the input")
        functions = [(a - anchor[0], size, name) for a, size, name in functions]
        functions = [f for f in functions if -(2**31) <= f[0] < 2**31 - 2**20]

    names, blocks = pack_names([name for _, _, name in functions])
    addresses = [address for address, _, _ in functions]
    if functions:
        addresses.append(functions[-1][0] + max(functions[-1][1], 1))

    print("/* Made by tools/symbols.py. */")
    print("#include <kr/symbol.h>")
    print(f"const uint32_t symbol_count = {len(functions)};")
    print_array("const int32_t symbol_addresses[]", addresses)
    print_array("const uint32_t symbol_blocks[]", blocks)
    print_array("const uint8_t symbol_names[]", names)


if __name__ == "__main__":
    main()
