# SPDX-License-Identifier: MIT
"""A fault inside the hypervisor: registers, a backtrace with names, the reason; then noreboot counts.

The fault is made from outside: the emulator's debugger stops the CPU in a hypercall and sends it
to an address where nothing is mapped.
"""
import re

from harness import BOOT_S, Guest, Scenario, equal, true
from krtools.elf import Elf
from krtools.gdbstub import Stub

WHERE = "hypercall"
NOWHERE = 0xffff82c0dead0000


class Crash:
    KRYPTON_ONLY = True
    SCRIPT = {"call": "sleep 2; xl list"}

    def options(self):
        options = super().options()
        options.extra += ["-gdb", "unix:gdb,server=on,wait=off"]
        return options

    def run(self):
        with Guest(self.options(), monitor=True) as guest:
            try:
                self.crash(guest)
                self.end(guest)
            finally:
                self.keep(guest)

    def crash(self, guest):
        with open("build/krypton", "rb") as file:
            address = Elf(file.read()).symbols()[WHERE]
        guest.marker("begin", BOOT_S)
        stub = Stub(guest.machine.path("gdb"))
        stub.breakpoint(address)
        stub.run_to_stop(30)
        stub.remove_breakpoint(address)
        stub.set_register("rip", NOWHERE)
        stub.run_on()
        guest.expect(r"Panic on CPU 0: ", 20)

    def check_says_the_reason(self):
        true(re.search(r"Panic on CPU 0: .*(exception 14|page fault)", self.console), "no reason")

    def check_says_the_address(self):
        true("%x" % NOWHERE in self.console.split("Panic on CPU 0", 1)[1], "no faulting address")

    def check_shows_registers(self):
        text = self.console.split("Panic on CPU 0", 1)[1].lower()
        for name in ("rip", "rsp", "rax", "r15", "cr3"):
            true(re.search(r"\b%s\b" % name, text), "no %s" % name)

    def check_backtrace_has_names(self):
        text = self.console.split("Panic on CPU 0", 1)[1]
        true(re.search(r"[a-z_]+\+0x[0-9a-f]+|<[a-z_]+", text), "no name in:\n" + text[:1500])


class CrashReboots(Crash, Scenario):
    TITLE = "crash"

    def end(self, guest):
        self.reason = guest.end_reason(30)

    def check_reboots(self):
        equal(self.reason, "guest-reset", "end of the machine")


class CrashHalts(Crash, Scenario):
    TITLE = "crash-noreboot"
    XEN_ARGS = "noreboot"

    def end(self, guest):
        self.reason = guest.end_reason(12)
        self.registers = guest.hmp("info registers") if self.reason is None else ""

    def check_stays_halted(self):
        equal(self.reason, None, "end of the machine")
        true("HLT=1" in self.registers, "not halted: " + self.registers[:200])
