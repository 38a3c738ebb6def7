#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares booting on Debian's Xen 4.17 and on Krypton, counted in guest instructions.

Same emulator, kernel and initramfs. QEMU counts every instruction of the machine (-icount shift=0 in
record mode, whose monitor tells the count); a hardware breakpoint stops the machine at the
hypervisor's and at dom0's first instruction, and dom0's script stops it through the pvpanic port.
Two runs give the same numbers.
"""
import argparse
import gzip
import json
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
from krtools import bzimage, debian, gdbstub, machine  # noqa: E402
from krtools.elf import Elf  # noqa: E402
from krtools.guest import Ended, Guest, Timeout  # noqa: E402

XEN_PACKAGE, XEN_FILE = "xen-hypervisor-4.17-amd64", "boot/xen-4.17-amd64.gz"
MEM_MIB, DOM0_MIB = 4096, 1024
XEN_ELFNOTE_ENTRY = 1
PVPANIC_PORT = 0x505
# without erms and fsrm nobody copies with rep movsb, which counts once per byte
CPU = "max,-smap,-erms,-fsrm"
FIXED = ["-icount", "shift=0,sleep=off,rr=record,rrfile=replay.bin", "-seed", "7",
         "-rtc", "base=2024-01-01T00:00:00,clock=vm", "-S", "-gdb", "unix:gdb,server=on,wait=off",
         "-device", "pvpanic,ioport=%d" % PVPANIC_PORT, "-action", "panic=pause"]
SCRIPT = """\
printf '\\001' | dd of=/dev/port bs=1 seek=%d count=1 2>/dev/null
xl info | grep memory
xl list
""" % PVPANIC_PORT


def dom0_entry(kernel_path):
    """Virtual address of the kernel's first instruction, from its ELF note."""
    with open(kernel_path, "rb") as file:
        notes = Elf(bzimage.unpack(file.read())).section(".notes")
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        name = notes[at + 12:at + 12 + name_size]
        data = at + 12 + (name_size + 3 & ~3)
        if name == b"Xen\0" and kind == XEN_ELFNOTE_ENTRY:
            return struct.unpack_from("<Q", notes, data)[0]
        at = data + (size + 3 & ~3)
    raise bzimage.Error("the kernel has no entry note")


def count(guest):
    return int(re.search(r"instruction count = (\d+)", guest.hmp("info replay")).group(1))


def run_until(guest, stub, address, timeout_s):
    stub.breakpoint(address)
    stub.run_to_stop(timeout_s)
    stub.remove_breakpoint(address)
    return count(guest)


def options_of(kernel, args):
    return machine.Options(
        kernel=kernel, dom0_kernel=args.dom0_kernel, initrd=args.initrd, mem=MEM_MIB, cpu=CPU,
        dom0_args="norandmaps nokaslr random.trust_cpu=on", files={"command": SCRIPT, "nonce": "bench\n"},
        extra=FIXED)


def stopped(guest):
    """The debugger's connection to a machine that waits at reset, and the hypervisor's image and entry."""
    stub = gdbstub.Stub(guest.machine.path("gdb"))
    with open(guest.machine.path("hypervisor"), "rb") as file:
        image = file.read()
    return stub, image, struct.unpack_from("<Q" if image[4] == 2 else "<I", image, 24)[0]


def phases(args):
    """Instructions at the first call of each of our functions named, in the order they are called."""
    with open("build/krypton", "rb") as file:
        symbols = Elf(file.read()).symbols()
    with Guest(options_of(args.kernel, args), monitor=True) as guest:
        stub, _, _ = stopped(guest)
        last = 0
        for name in args.at.split(",") + ["dom0"]:
            address = dom0_entry(args.dom0_kernel) if name == "dom0" else symbols[name]
            now = run_until(guest, stub, address, args.timeout)
            print("%-32s %10.1f M  + %8.1f M" % (name, now / 1e6, (now - last) / 1e6), flush=True)
            last = now


def measure(name, kernel, args):
    print("bench: %s" % name, file=sys.stderr, flush=True)
    found = {}
    with Guest(options_of(kernel, args), monitor=True) as guest:
        stub, image, entry = stopped(guest)
        found["entry"] = run_until(guest, stub, entry, 120)
        found["dom0"] = run_until(guest, stub, dom0_entry(args.dom0_kernel), args.timeout)
        stub.run_on()
        guest.wait_event("GUEST_PANICKED", args.timeout)
        found["shell"] = count(guest)
        guest.monitor("cont")
        guest.marker("begin", 10)
        start = guest.seen
        guest.marker(r"end \d+", args.timeout)
        found.update(memory(guest.text(start)))
    found["start"] = found["dom0"] - found["entry"]
    found["start_plain"] = start_plain(kernel, args)
    found["elf_bytes"] = len(image)
    found["gz_bytes"] = len(gzip.compress(image, 9, mtime=0))
    return found


def start_plain(kernel, args):
    """From the hypervisor's entry to dom0's when nothing has to be unpacked."""
    plain = os.path.join(args.folder, "vmlinux")
    with open(args.dom0_kernel, "rb") as source, open(plain, "wb") as target:
        target.write(bzimage.unpack(source.read()))
    options = options_of(kernel, args)
    options.dom0_kernel = plain
    with Guest(options, monitor=True) as guest:
        stub, _, entry = stopped(guest)
        first = run_until(guest, stub, entry, 120)
        return run_until(guest, stub, dom0_entry(args.dom0_kernel), args.timeout) - first


def memory(text):
    total, free = (int(re.search(r"^%s_memory\s*: (\d+)" % n, text, re.M).group(1))
                   for n in ("total", "free"))
    dom0 = int(re.search(r"^Domain-0\s+0\s+(\d+)", text, re.M).group(1))
    return {"memory_mib": total - free - dom0}


ROWS = [
    ("firmware, to the hypervisor's first instruction", "entry", 1e6, "M instr."),
    ("hypervisor, to dom0's first instruction", "start", 1e6, "M instr."),
    ("the same with an unpacked kernel", "start_plain", 1e6, "M instr."),
    ("reset to dom0's first instruction", "dom0", 1e6, "M instr."),
    ("reset to dom0's shell", "shell", 1e6, "M instr."),
    ("hypervisor memory of 4 GiB", "memory_mib", 1, "MiB"),
    ("image, packed", "gz_bytes", 1024, "KiB"),
    ("image, ELF without debug information", "elf_bytes", 1024, "KiB"),
]


def table(results, rows):
    names = list(results)
    print("%-48s %s %9s" % ("", " ".join("%14s" % n for n in names), "ratio" if len(names) > 1 else ""))
    for title, key, unit, text in rows:
        values = [results[n][key] / unit for n in names]
        ratio = "%9.2f" % (values[1] / values[0]) if len(values) > 1 and values[0] else ""
        print("%-48s %s %s  %s" % (title, " ".join("%14.1f" % v for v in values), ratio, text))


def debian_xen(folder):
    path = os.path.join(folder, os.path.basename(XEN_FILE))
    deb = debian.fetch([XEN_PACKAGE])[XEN_PACKAGE]
    for name, _, data in debian.files(deb, lambda p: p == XEN_FILE):
        with open(path, "wb") as file:
            file.write(data)
    return path


def add_arguments(parser):
    defaults = machine.Options()
    parser.add_argument("--kernel", default="build/krypton.gz", help="image without debug information")
    parser.add_argument("--xen", default="", help="Debian's Xen; fetched when not given")
    parser.add_argument("--dom0-kernel", default=defaults.dom0_kernel)
    parser.add_argument("--initrd", default=defaults.initrd)
    parser.add_argument("--folder", default="build/bench")
    parser.add_argument("--only", default="", help="xen or krypton")
    parser.add_argument("--timeout", type=float, default=300)


def compare(measure_one, args):
    """What measure_one finds on either hypervisor."""
    os.makedirs(args.folder, exist_ok=True)
    results = {}
    if args.only != "krypton":
        results["Xen 4.17"] = measure_one("Debian's Xen 4.17", args.xen or debian_xen(args.folder), args)
    if args.only != "xen":
        results["Krypton"] = measure_one("Krypton", args.kernel, args)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(parser)
    parser.add_argument("--at", default="", help="our functions, with commas: counts at their first calls")
    args = parser.parse_args()
    try:
        if args.at:
            return phases(args)
        results = compare(measure, args)
    except (Ended, Timeout, gdbstub.Error, machine.Error, debian.Error, bzimage.Error) as error:
        sys.exit("bench: %s" % error)
    table(results, ROWS)
    with open(os.path.join(args.folder, "boot.json"), "w") as file:
        json.dump(results, file, indent=1)
    return None


if __name__ == "__main__":
    main()
