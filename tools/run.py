#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots a hypervisor with the Debian dom0 in QEMU: a shell on the serial line, or one command.

With --cmd the command's output is all that appears on standard output, and its status is ours.
Status 124: no answer in time; 125: the machine ended before the command did.
"""
import argparse
import os
import secrets
import select
import shlex
import shutil
import sys
import termios
import time
import tty

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from krtools import machine  # noqa: E402
from krtools.guest import Ended, Guest, Timeout, plain  # noqa: E402

STATUS_TIMEOUT, STATUS_ENDED = 124, 125
ESCAPE = b"\x1d"  # Ctrl-]
POWER_OFF_S = 20


class Progress:
    """One line on standard error that shows what the machine last said, until the dom0 is up."""

    def __init__(self, verbose):
        self.verbose, self.active, self.tail = verbose, True, b""
        self.tty = sys.stderr.isatty()
        self.start = time.monotonic()
        self.shown = ""

    def output(self, data):
        if not self.active:
            return
        if self.verbose:
            sys.stderr.write(plain(data))
            sys.stderr.flush()
            return
        self.tail = (self.tail + data)[-4096:]
        lines = [line.strip() for line in plain(self.tail).split("\n")[:-1] if line.strip()]
        self.say(lines[-1] if lines else self.shown)

    def say(self, text):
        if self.verbose or not self.tty:
            return
        self.shown = text
        width = shutil.get_terminal_size().columns - 1
        line = "[%4.1f s] %s" % (time.monotonic() - self.start, text)
        sys.stderr.write("\r\033[K" + "".join(c for c in line if c.isprintable())[:width])
        sys.stderr.flush()

    def done(self):
        if self.active and self.tty and not self.verbose:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
        self.active = False


def note(text):
    print("krypton: " + text, file=sys.stderr, flush=True)


def explain(guest, progress, reason, lines=25):
    progress.done()
    note(reason)
    if not progress.verbose:
        note("the console's last lines:")
        for line in guest.text().rstrip("\n").split("\n")[-lines:]:
            print("    " + line, file=sys.stderr)


def run_command(guest, progress, args):
    """Prints the command's output as it comes; returns its status."""
    try:
        guest.marker("begin", args.timeout)
    except (Ended, Timeout) as error:
        explain(guest, progress, str(error))
        return STATUS_TIMEOUT if isinstance(error, Timeout) else STATUS_ENDED
    progress.done()
    printed, limit = guest.seen, time.monotonic() + args.timeout
    end = b"\n@kr " + guest.nonce.encode() + b" end "
    while True:
        body = bytes(guest.output[printed:]).replace(b"\r", b"")
        found = body.find(end)
        if found >= 0 and b"\n" in body[found + len(end):]:
            write_out(body[:found])
            status = int(body[found + len(end):].split(b"\n")[0])
            break
        # whole lines, and never the newline that may belong to the marker
        keep = body.rfind(b"\n") if found < 0 else found
        if keep > 0:
            write_out(body[:keep])
            printed = guest.output.index(b"\n", printed + keep) if b"\r" not in guest.output[printed:] \
                else advance(guest.output, printed, keep)
        if time.monotonic() > limit:
            note("the command did not end within %d s" % args.timeout)
            return STATUS_TIMEOUT
        if not guest.pump(1):
            write_out(body)
            explain(guest, progress, "QEMU ended before the command did")
            return STATUS_ENDED
    if guest.drain(POWER_OFF_S) is None:
        note("dom0 did not power the machine off within %d s" % POWER_OFF_S)
    return status


def advance(output, start, count):
    """Index behind `count` bytes that are no carriage returns, from `start`."""
    while count:
        count -= output[start] != 13
        start += 1
    return start


def write_out(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def run_shell(guest, progress, args):
    """Connects the person's terminal with the serial line until the machine powers off."""
    try:
        guest.marker("shell", args.timeout)
    except (Ended, Timeout) as error:
        explain(guest, progress, str(error))
        return STATUS_TIMEOUT if isinstance(error, Timeout) else STATUS_ENDED
    progress.done()
    note("Linux dom0 is up: try 'xl list'. 'exit' powers off, Ctrl-] ends QEMU at once,")
    note("Ctrl-A three times talks to the hypervisor ('h' for help).")
    write_out(bytes(guest.output[guest.seen:]))
    guest.on_output = write_out
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    saved = termios.tcgetattr(terminal) if terminal is not None else None
    try:
        if saved:
            tty.setraw(terminal)
        forward(guest)
    finally:
        if saved:
            termios.tcsetattr(terminal, termios.TCSADRAIN, saved)
    return 0 if guest.wait(5) in (0, None) else STATUS_ENDED


def forward(guest):
    sources = [guest.fileno(), sys.stdin.fileno()]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if guest.fileno() in ready and not guest.pump(0):
            return
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), 1024)
            if ESCAPE in data:
                return
            if not data:
                sources.remove(sys.stdin.fileno())
                data = b"exit\n"  # the end of a script ends the shell
            guest.type(data)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    defaults = machine.Options()
    add("--kernel", default=defaults.kernel, help="hypervisor image (ELF or .gz)")
    add("--dom0-kernel", default=defaults.dom0_kernel)
    add("--initrd", default=defaults.initrd)
    add("--guests", default="build/dom0/guests.cpio", help="what dom0 makes guests of; empty: nothing")
    add("--iso", default="", help="boot this CD image instead")
    add("--cmd", default=os.environ.get("KR_CMD") or None, help="run this in dom0 instead of a shell")
    add("--mem", default="3072", help="MiB, or with G behind")
    add("--cpus", type=int, default=1)
    add("--machine", default="pc", help="pc or q35")
    add("--cpu", default="", help="QEMU's CPU model")
    add("--disk", action="append", default=[], help="[nvme:|ahci:|virtio:]FILE, several with commas")
    add("--net", default="", help="e1000e, virtio or e1000, several with commas")
    add("--xen-args", default="", help="added to the hypervisor's command line")
    add("--dom0-args", default="", help="added to dom0's command line")
    add("--qemu", default="", help="QEMU's program")
    add("--qemu-args", default="", help="more arguments for QEMU")
    add("--demo", action="store_true", help="start a guest first and show it")
    add("--gdb", action="store_true", help="wait for a debugger on port 1234")
    add("--timeout", type=float, default=300, help="seconds for the boot and for the command")
    add("--log", default="build/console.log", help="where the whole console goes")
    add("--verbose", action="store_true", help="show the console from the first byte")
    return parser.parse_args()


def mebibytes(text):
    unit = {"G": 1024, "M": 1}.get(text[-1:].upper())
    digits = text[:-1] if unit else text
    if not digits.isdigit():
        raise machine.Error("MEM=%s is no size (3072, 4G)" % text)
    return int(digits) * (unit or 1)


def options_of(args):
    files = {}
    if args.cmd is not None:
        files["command"] = args.cmd + "\n"
    elif sys.stdin.isatty():
        size = shutil.get_terminal_size()
        files["terminal"] = "%d %d %s\n" % (size.lines, size.columns, "xterm")
    if args.demo:
        files["demo"] = "\n"
    disks = [disk for item in args.disk for disk in item.split(",") if disk]
    return machine.Options(
        kernel=args.kernel, dom0_kernel=args.dom0_kernel, initrd=args.initrd, guests=args.guests,
        iso=args.iso, qemu=args.qemu or "qemu-system-x86_64", machine=args.machine, cpu=args.cpu, cpus=args.cpus,
        mem=mebibytes(args.mem), disks=disks, nets=[n for n in args.net.split(",") if n],
        xen_args=args.xen_args, dom0_args=args.dom0_args,
        extra=shlex.split(args.qemu_args) + (["-s", "-S"] if args.gdb else []), files=files)


def main():
    args = parse()
    progress = Progress(args.verbose)
    status = STATUS_ENDED
    try:
        if args.gdb:
            args.timeout = 86400
            note("QEMU waits for a debugger: gdb -x tools/gdb/init build/krypton")
        options = options_of(args)
        if args.iso and args.cmd is not None:
            options.iso = one_off_iso(options, progress)
        progress.say("starting QEMU")
        with Guest(options, progress.output) as guest:
            try:
                status = (run_shell if args.cmd is None else run_command)(guest, progress, args)
            finally:
                save_log(args.log, guest.output)
    except machine.Error as error:
        progress.done()
        note(str(error))
    except KeyboardInterrupt:
        progress.done()
        status = 130
    return status


def one_off_iso(options, progress):
    """A CD with the command in its initramfs, beside the plain one."""
    from krtools import iso
    progress.say("building a CD with the command")
    path = os.path.splitext(options.iso)[0] + "-command.iso"
    options.files["nonce"] = secrets.token_hex(4) + "\n"
    iso.build(options, path)
    return path


def save_log(path, output):
    try:
        with open(path, "wb") as file:
            file.write(output)
    except OSError as error:
        note("console log: %s" % error)


if __name__ == "__main__":
    sys.exit(main())
