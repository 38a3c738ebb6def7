#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares PV guests' cost on Debian's Xen 4.17 and on Krypton: memory of the hypervisor's, and
instructions to create and to destroy them.

The machine is that of boot.py, counted in the same way. dom0's script stops it through the pvpanic port
where something begins or ends; a breakpoint at a guest kernel's entry is its first instruction. There
is a guest of 64 MiB, which is less than Debian's kernel takes: its kernel is that of tests/system/tiny.py;
and one of 256 MiB with Debian's kernel, whose entry dom0 has passed long ago. Memory is what is free, in
pages, with and without a paused guest, less the guest's own pages.
"""
import argparse
import json
import os
import re
import sys

import boot
from boot import bzimage, debian, gdbstub, machine
from boot import Ended, Guest, Timeout

sys.path.insert(0, os.path.join(os.path.dirname(boot.HERE), "tests", "system"))
import tiny  # noqa: E402

SCRIPT = """\
. /demo/lib
stop() { printf '\\001' | dd of=/dev/port bs=1 seek=%d count=1 2>/dev/null; }
config tiny 'memory = 64' "kernel = '/kr/tiny'" "ramdisk = ''" "extra = 's'"
config debian 'memory = 256'
for guest in debian tiny; do # the first time files are read and dom0's tables grow
    xl create -q -p /tmp/$guest.cfg
    xl destroy $guest
done
echo "without $(free_pages)"
xl create -q -p /tmp/tiny.cfg
echo "with $(free_pages)"
echo "own $(xentop -b -i 1 | awk '$1 == "tiny" { print $5 / 4 }')"
xl create -q -p /tmp/debian.cfg
for guest in tiny debian; do
    stop
    xl destroy $guest
    stop
    sleep 1
done
for guest in tiny debian; do
    stop
    xl create -q /tmp/$guest.cfg
    xl destroy $guest
done
""" % boot.PVPANIC_PORT
GUESTS = ("tiny", "debian")


def steps(guest, first, args):
    """Instructions up to each stop of the script and to the guests' first ones."""
    at = []
    for step in range(6):
        guest.wait_event("GUEST_PANICKED", args.timeout)
        at.append(boot.count(guest))
        if step < 4:
            guest.monitor("cont")
            continue
        stub = gdbstub.Stub(guest.machine.path("gdb"))
        at.append(boot.run_until(guest, stub, first[GUESTS[step - 4]], args.timeout))
        stub.run_on()
    return at


def measure(name, kernel, args):
    print("bench: guests on %s" % name, file=sys.stderr, flush=True)
    options = boot.options_of(kernel, args)
    options.guests = args.guests
    options.files.update(command=SCRIPT, tiny=tiny.kernel())
    first = {"tiny": tiny.BASE, "debian": boot.dom0_entry(args.dom0_kernel)}
    with Guest(options, monitor=True) as guest:
        guest.monitor("cont")
        guest.marker("begin", args.timeout)
        start = guest.seen
        at = steps(guest, first, args)
        found = {"destroy_tiny": at[1] - at[0], "rest_tiny": at[2] - at[0],
                 "destroy_debian": at[3] - at[2], "rest_debian": at[4] - at[2],
                 "create_tiny": at[5] - at[4], "create_debian": at[7] - at[6]}
        found.update(memory(guest.text(start)))
    return found


def memory(text):
    without, with_it, own = (int(re.search(r"^%s (\d+)$" % word, text, re.M).group(1))
                             for word in ("without", "with", "own"))
    return {"kib": (without - with_it - own) * 4}


ROWS = [
    ("hypervisor memory of a 64 MiB guest", "kib", 1, "KiB"),
    ("xl create of 64 MiB, to its first instruction", "create_tiny", 1e6, "M instr."),
    ("xl create of Debian's kernel in 256 MiB", "create_debian", 1e6, "M instr."),
    ("xl destroy of 64 MiB", "destroy_tiny", 1e6, "M instr."),
    ("the same, and one second after it", "rest_tiny", 1e6, "M instr."),
    ("xl destroy of 256 MiB", "destroy_debian", 1e6, "M instr."),
    ("the same, and one second after it", "rest_debian", 1e6, "M instr."),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    boot.add_arguments(parser)
    parser.add_argument("--guests", default="build/dom0/guests.cpio")
    args = parser.parse_args()
    try:
        results = boot.compare(measure, args)
    except (Ended, Timeout, gdbstub.Error, machine.Error, debian.Error, bzimage.Error) as error:
        sys.exit("bench: %s" % error)
    boot.table(results, ROWS)
    with open(os.path.join(args.folder, "guest.json"), "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
