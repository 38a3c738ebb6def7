#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boot each test kernel of tests/guest as dom0 in QEMU and add up what they report.

Every folder NAME gives build/guest/NAME.elf (guest.mk). Options of a test stand in its main.c as

    /* RUN: xen="dom0_max_vcpus=2" args="word word" smp=1 module=5000 timeout=20 */

qemu: more words for QEMU; cpu: its CPU model; memory: its MiB; dom0_mem: 128M unless given, none if
empty; reference=no: not for Xen itself; xen: appended to the hypervisor's command line; args: the
kernel's command line; smp: CPUs; module: size in bytes of a generated initrd (byte i is (i * 7 + i //
251) % 256); loader=pvh: by the PVH entry, which knows one module and no words for it; timeout: seconds
of wall time; long=yes: only with --long; input: typed when the kernel prints
"input please"; expect: a regular expression that a line must match, for kernels that end without a
report. A folder with several RUN comments is booted once for each, told apart by name=. The serial
output is kept in build/guest/NAME.log or NAME-RUN.log.
"""

import argparse
import concurrent.futures
import os
import re
import shlex
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RESULT = re.compile(rb"^(ok|not ok|skip) (.*)$")
DONE = re.compile(rb"^done (\d+) passed (\d+) failed$")
RESET_GRACE_S = 5


def runs_of(name):
    """The boots of a folder: a list of (label, RUN: words as a dictionary)."""
    with open(os.path.join(HERE, name, "main.c"), encoding="utf-8") as source:
        found = re.findall(r"/\* RUN:(.*?)\*/", source.read(), re.DOTALL)
    runs = [dict(word.split("=", 1) for word in shlex.split(line)) for line in found or [""]]
    return [(f"{name}-{run['name']}" if "name" in run else name, run) for run in runs]


def make_module(path, size):
    with open(path, "wb") as out:
        out.write(bytes((i * 7 + i // 251) % 256 for i in range(size)))


def without_multiboot(kernel, path):
    """A copy without the Multiboot header, which QEMU then starts at its PVH entry."""
    with open(kernel, "rb") as source:
        image = source.read()
    with open(path, "wb") as out:
        out.write(image.replace(struct.pack("<I", 0x1badb002), bytes(4), 1))
    return path


def qemu_command(args, name, label, options):
    elf = os.path.join(args.build, name + ".elf")
    words = " ".join([options.get("args", ""), args.args])
    initrd = f"{elf} {words}".strip().replace(",", ",,")
    if "module" in options:
        module = os.path.join(args.build, label + ".module")
        make_module(module, int(options["module"]))
        initrd += "," + module
    kernel = args.kernel
    if options.get("loader") == "pvh":
        kernel = without_multiboot(kernel, os.path.join(args.build, label + ".hypervisor"))
    append = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all"
    if options.get("dom0_mem", "128M"):
        append += " dom0_mem=" + options.get("dom0_mem", "128M")
    return [
        args.qemu, "-accel", "tcg,thread=single", "-cpu", options.get("cpu", args.cpu), "-smp", options.get("smp", "1"),
        "-m", options.get("memory", "512"), "-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none",
        "-no-reboot", "-kernel", kernel,
        "-append", " ".join([append, options.get("xen", ""), args.append]).strip(),
        "-initrd", initrd,
    ] + shlex.split(options.get("qemu", ""))


class Outcome:
    """What one kernel reported."""

    def __init__(self, name, expect):
        self.name, self.passed, self.failures, self.skips = name, 0, [], []
        self.done, self.seconds = False, 0.0
        self.expect = re.compile(expect.encode()) if expect else None
        self.met = False

    def line(self, line):
        if self.expect and self.expect.search(line):
            self.met = True
        done = DONE.match(line)
        if done:
            self.done = True
            if int(done.group(1)) != self.passed:
                self.failures.append(f"{done.group(1).decode()} passed, but {self.passed} lines say ok")
            return
        found = RESULT.match(line)
        if not found:
            return
        text = found.group(2).decode("utf-8", "replace")
        if found.group(1) == b"ok":
            self.passed += 1
        elif found.group(1) == b"skip":
            self.skips.append(text)
        else:
            self.failures.append(text)

    def close(self, killed):
        """The machine is off: killed says why it had to be ended, if it had."""
        if killed:
            self.failures.append(killed)
        elif self.expect and self.done:
            self.failures.append("the kernel came to its end")
        elif self.expect and not self.met:
            self.failures.append(f"no line matches {self.expect.pattern.decode()}")
        elif self.expect:
            self.passed += 1
        elif not self.done:
            self.failures.append("the machine ended before the tests did")

    def failed_names(self):
        return {failure.split(":")[0] for failure in self.failures}


def run_one(args, name, label, options):
    outcome, started = Outcome(label, options.get("expect")), time.monotonic()
    timeout_s = float(options.get("timeout", 20)) * args.slow
    with open(os.path.join(args.build, label + ".log"), "wb") as log:
        command = qemu_command(args, name, label, options)
        log.write((shlex.join(command) + "\n").encode())
        log.flush()
        qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        killed = []

        def kill(reason):
            killed.append(reason)
            qemu.kill()

        timer = threading.Timer(timeout_s, kill, [f"no end after {timeout_s:.0f} s"])
        timer.start()
        for raw in qemu.stdout:
            log.write(raw)
            log.flush()
            before = outcome.done
            outcome.line(raw.rstrip(b"\r\n"))
            if raw.startswith(b"input please"):
                qemu.stdin.write(options.get("input", "").encode())
                qemu.stdin.flush()
            if outcome.done and not before:
                timer.cancel()
                timer = threading.Timer(RESET_GRACE_S * args.slow, kill,
                                        ["the machine did not reset after the tests"])
                timer.start()
        qemu.wait()
        qemu.stdin.close()
        timer.cancel()
    outcome.close(killed[0] if killed else None)
    outcome.seconds = time.monotonic() - started
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kernel", required=True, help="hypervisor to boot (uncompressed ELF)")
    parser.add_argument("--build", default="build/guest", help="where the test kernels are")
    parser.add_argument("--only", default="", help="comma separated folder names")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("GUEST_JOBS", "2")))
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--cpu", default="max,-smap")
    parser.add_argument("--reference", action="store_true",
                        help="the kernel is Xen: leave out runs that are known to end it")
    parser.add_argument("--long", action="store_true", help="the long boots, and only they")
    parser.add_argument("--args", default="", help="more words for the test kernels")
    parser.add_argument("--append", default="", help="more words for the hypervisor")
    parser.add_argument("--slow", type=float, default=float(os.environ.get("GUEST_SLOW", "1")),
                        help="factor on every timeout")
    args = parser.parse_args()

    names = sorted(entry for entry in os.listdir(HERE)
                   if os.path.exists(os.path.join(HERE, entry, "main.c")))
    wanted = [name for name in re.split(r"[ ,]+", args.only) if name]
    unknown = set(wanted) - set(names)
    if unknown:
        sys.exit(f"no such test: {', '.join(sorted(unknown))}")

    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = [(name, *run) for name in wanted or names for run in runs_of(name)
                if (run[1].get("long") == "yes") == args.long
                and not (args.reference and run[1].get("reference") == "no")]
        for outcome in pool.map(lambda run: run_one(args, *run), runs):
            bad = outcome.failed_names()
            passed += outcome.passed
            failed += len(bad)
            print(f"{'FAIL' if bad else 'ok':4} {outcome.name:18} {outcome.passed:3} passed "
                  f"{len(bad):2} failed  {outcome.seconds:5.1f} s", flush=True)
            for text in outcome.skips:
                print(f"       skip {text}")
            for text in outcome.failures:
                print(f"       not ok {text}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
