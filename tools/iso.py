#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds a GRUB CD image (BIOS) with a hypervisor and the Debian dom0."""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from krtools import iso, machine  # noqa: E402


def main():
    defaults = machine.Options()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default=defaults.kernel)
    parser.add_argument("--dom0-kernel", default=defaults.dom0_kernel)
    parser.add_argument("--initrd", default=defaults.initrd)
    parser.add_argument("--out", default="build/krypton.iso")
    args = parser.parse_args()
    options = machine.Options(kernel=args.kernel, dom0_kernel=args.dom0_kernel, initrd=args.initrd)
    try:
        iso.build(options, args.out)
    except (machine.Error, OSError) as error:
        sys.exit("iso: %s" % error)


if __name__ == "__main__":
    main()
