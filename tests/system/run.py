#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""System tests: the Debian dom0 on the hypervisor in QEMU. Ends with `N passed, N failed`."""
import argparse
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import Context, Runner, Scenario, machine  # noqa: E402

# In the order they run.
FILES = ["guests", "many", "hostile", "guest_ends", "guest_console", "guest_store", "guest_cpus",
         "guest_devices", "guest_driver", "guest_io", "guest_grub", "guest_qdisk", "dom0_pc", "dom0_q35",
         "interrupts", "cpus", "console", "options", "payloads", "bad_input", "crash", "cd", "build_twice"]


def scenarios(want_long):
    found = []
    for name in FILES:
        module = importlib.import_module(name)
        found += [thing for thing in vars(module).values()
                  if isinstance(thing, type) and issubclass(thing, Scenario)
                  and thing.__module__ == name and thing.checks() and thing.LONG == want_long]
    return found


def main():
    defaults = machine.Options()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default=defaults.kernel, help="the hypervisor; Debian's Xen too")
    parser.add_argument("--dom0-kernel", default=defaults.dom0_kernel)
    parser.add_argument("--initrd", default=defaults.initrd)
    parser.add_argument("--guests", default="build/dom0/guests.cpio", help="what dom0 makes guests of")
    parser.add_argument("--qemu", default=defaults.qemu)
    parser.add_argument("--folder", default="build/system", help="for logs and disks")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("SYSTEM_JOBS", "2")),
                        help="machines at a time")
    parser.add_argument("--long", action="store_true", help="the long scenarios, and only they")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("only", nargs="*", help="run the checks whose names contain a word")
    args = parser.parse_args()
    if args.list:
        for kind in scenarios(args.long):
            for check in kind.checks():
                print("%s/%s" % (kind.name(), check[len("check_"):]))
        return 0
    os.makedirs(args.folder, exist_ok=True)
    return Runner(Context(args, os.path.abspath(args.folder)), args.only, args.jobs).run(scenarios(args.long))


if __name__ == "__main__":
    sys.exit(main())
