#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packs a Linux bzImage's payload anew: bzimage.py FORMAT IN OUT; FORMAT vmlinux writes the ELF."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from krtools import bzimage  # noqa: E402


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: bzimage.py %s|vmlinux IN OUT" % "|".join(bzimage.FORMATS))
    name, source, target = sys.argv[1:]
    try:
        with open(source, "rb") as file:
            image = file.read()
        out = bzimage.unpack(image) if name == "vmlinux" else bzimage.repack(image, name)
        with open(target, "wb") as file:
            file.write(out)
    except (bzimage.Error, OSError) as error:
        sys.exit("bzimage: %s" % error)


if __name__ == "__main__":
    main()
