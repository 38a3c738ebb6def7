#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds qemu.cpio, to be put behind dom0's initramfs: Debian's QEMU as Xen's disk back end, and qemu-img.

It has its libraries with it, of which there are many: only what needs QEMU in dom0 boots with it.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from krtools import debian, rootfs  # noqa: E402
from krtools.cpio import Archive  # noqa: E402

PACKAGES = ["qemu-system-xen", "qemu-system-data", "qemu-utils"]
PROGRAMS = {"usr/libexec/xen-qemu-system-i386", "usr/bin/qemu-img"}
DATA = {"usr/share/qemu/keymaps/en-us"}  # libxl asks for a VNC display that nobody sees


def archive():
    names = debian.closure(PACKAGES, lambda name: name.startswith("lib") or name == "zlib1g")
    out = Archive()
    rootfs.add_packages(out, debian.fetch(names), PACKAGES, lambda path: path in PROGRAMS, lambda path: path in DATA)
    return out.bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="build/dom0/qemu.cpio")
    path = parser.parse_args().out
    try:
        data = archive()
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.replace(path + ".new", path)
    except (debian.Error, OSError) as error:
        sys.exit("QEMU for dom0: %s" % error)
    print("QEMU for dom0: %.1f MB" % (len(data) / 1e6), file=sys.stderr)


if __name__ == "__main__":
    main()
