#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""QEMU stopped at reset in the background, gdb on it in the foreground; takes run.py's options."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import run  # noqa: E402
from krtools import machine  # noqa: E402


def main():
    args = run.parse()
    args.gdb = True
    options = run.options_of(args)
    try:
        guest = machine.Machine(options)
    except machine.Error as error:
        sys.exit("gdb: %s" % error)
    with open(args.log, "wb") as log:
        # a session of its own: Ctrl-C in gdb must not end QEMU
        qemu = guest.start(stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            subprocess.run(["gdb", "-q", "-x", os.path.join(HERE, "init"), "build/krypton"])
        finally:
            qemu.kill()
            qemu.wait()
            guest.remove()


if __name__ == "__main__":
    main()
