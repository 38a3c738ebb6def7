# SPDX-License-Identifier: MIT
"""Wrong input at boot: one clear line, then a defined end: the machine stays halted with it.

For Krypton only: what Xen says in these cases is Xen's affair.
"""
import re
import struct

from harness import Failure, Guest, Scenario, equal, true
from krtools import bzimage, elfmake
from krtools.gdbstub import Stub

REFUSAL_S = 40
REFUSAL = r"Krypton cannot start: ([^\r\n]*)\r*\n"


class Refusal:
    """A boot that ends before dom0 starts."""
    KRYPTON_ONLY = True
    SCRIPT = {}
    WORDS = ""  # regular expression that the reason matches

    def run(self):
        with Guest(self.options(), monitor=True) as guest:
            try:
                self.drive(guest)
            finally:
                self.keep(guest)

    def drive(self, guest):
        self.reason = guest.expect(REFUSAL, REFUSAL_S).group(1).decode()
        self.end = len(guest.output)
        guest.rest(2)
        self.registers = guest.hmp("info registers")

    def check_says_why(self):
        # the line itself, or the one before it that names the broken table
        lines = self.console.split("Krypton cannot start:")[0].split("\n")[-4:] + [self.reason]
        true(any(re.search(self.WORDS, line) for line in lines), "the reason given: " + self.reason)

    def check_says_it_once(self):
        equal(len(re.findall(REFUSAL, self.console)), 1, "refusals")
        behind = self.console.split("Krypton cannot start:", 1)[1].split("\n")[1:]
        equal([line for line in behind if line.strip()], [], "lines behind it")

    def check_stays_halted(self):
        flags = int(re.search(r"[ER]FL=([0-9a-f]+)", self.registers).group(1), 16)
        true("HLT=1" in self.registers and not flags & 0x200,
             "not halted with interrupts off: " + self.registers[:300])


class OtherKernel(Refusal):
    """Boots something made from Debian's kernel in its place."""

    def make(self, image):
        raise NotImplementedError

    def prepare(self):
        with open(self.context.args.dom0_kernel, "rb") as file:
            image = file.read()
        self.path = self.context.path(self.name() + ".kernel")
        with open(self.path, "wb") as file:
            file.write(self.make(image))

    def options(self):
        options = super().options()
        options.dom0_kernel = self.path
        return options


class NoModule(Refusal, Scenario):
    TITLE, WORDS = "bad-no-module", r"(?i)no .*(module|kernel)"

    def options(self):
        options = super().options()
        options.modules = []
        return options


class TruncatedKernel(OtherKernel, Scenario):
    TITLE, WORDS = "bad-truncated-kernel", r"(?i)truncat|beyond|past the end|too short|cut"

    def make(self, image):
        return image[:3 << 20]


class CorruptPayload(OtherKernel, Scenario):
    TITLE = "bad-corrupt-payload"
    WORDS = r"(?i)(xz|payload|unpack|decompress).*(corrupt|damag|fail|broken|error|cannot)|" \
        r"(corrupt|damag|fail|broken|cannot).*(xz|payload|unpack|decompress)"

    def make(self, image):
        start, length = bzimage.bounds(image)
        middle = start + length // 2
        return image[:middle] + bytes(64) + image[middle + 64:]


class NotAKernel(OtherKernel, Scenario):
    TITLE, WORDS = "bad-not-a-kernel", r"(?i)(neither|not|no|unknown).*(bzImage|ELF|kernel|format)"

    def make(self, image):
        return b"This is no kernel at all.\n" * 1000


class NoNotes(OtherKernel, Scenario):
    TITLE, WORDS = "bad-elf-without-notes", r"(?i)\bnote"

    def make(self, image):
        return elfmake.elf64(b"\xf4" * 4096, 0xffffffff81000000, notes=b"")


class Pv32(OtherKernel, Scenario):
    TITLE, WORDS = "bad-32-bit-kernel", r"(?i)32[ -]?bit"

    def make(self, image):
        return elfmake.elf32(b"\xf4" * 4096, 0xc1000000, elfmake.xen_notes_32())


class TooMuchMemory(Refusal, Scenario):
    TITLE, WORDS = "bad-dom0_mem-too-big", r"(?i)dom0_mem|(9216|9437184|2359296)"
    XEN_ARGS = "dom0_mem=9G"


class TooLittleRam(Refusal, Scenario):
    TITLE, WORDS = "bad-too-little-ram", r"(?i)(little|enough|insufficient|not fit|room|least).*|out of memory"
    MEM = 48
    XEN_ARGS = "dom0_mem=32M"


class Patched(Refusal):
    """Stops at the hypervisor's entry and changes what the firmware or the loader left in memory."""

    def options(self):
        options = super().options()
        options.extra += ["-S", "-gdb", "unix:gdb,server=on,wait=off"]
        return options

    def drive(self, guest):
        stub = Stub(guest.machine.path("gdb"))
        with open(guest.machine.path("hypervisor"), "rb") as file:
            header = file.read(64)
        entry = struct.unpack_from("<Q" if header[4] == 2 else "<I", header, 24)[0]
        stub.breakpoint(entry)
        stub.run_to_stop(30)
        stub.remove_breakpoint(entry)
        self.patch(stub)
        stub.run_on()
        super().drive(guest)

    def patch(self, stub):
        raise NotImplementedError


class BrokenRsdp(Patched, Scenario):
    TITLE, WORDS = "bad-acpi-rsdp-checksum", r"(?i)(rsdp|acpi).*(checksum|broken|invalid|no |not found)"

    def patch(self, stub):
        area = b"".join(stub.read(0xe0000 + at, 0x800) for at in range(0, 0x20000, 0x800))
        at = 0xe0000 + area.index(b"RSD PTR ")
        byte = stub.read(at + 8, 1)[0]
        stub.write(at + 8, bytes([byte ^ 0xff]))


class BrokenMadt(Patched, Scenario):
    TITLE, WORDS = "bad-acpi-madt-checksum", r"(?i)(apic|madt|acpi).*(checksum|broken|invalid)"

    def patch(self, stub):
        area = b"".join(stub.read(0xe0000 + at, 0x800) for at in range(0, 0x20000, 0x800))
        rsdt, = struct.unpack_from("<I", area, area.index(b"RSD PTR ") + 16)
        length, = struct.unpack("<I", stub.read(rsdt + 4, 4))
        for table in struct.unpack("<%dI" % ((length - 36) // 4), stub.read(rsdt + 36, length - 36)):
            if stub.read(table, 4) == b"APIC":
                byte = stub.read(table + 9, 1)[0]
                stub.write(table + 9, bytes([byte ^ 0xff]))
                return
        raise Failure("the firmware has no MADT")


class OverlappingModules(Patched, Scenario):
    TITLE, WORDS = "bad-module-overlaps-us", r"(?i)module.*overlap|overlap.*module"

    def patch(self, stub):
        info = stub.registers()["rbx"]
        count, modules = struct.unpack("<II", stub.read(info + 20, 8))
        true(count == 2, "the loader passes %d modules" % count)
        start, end = struct.unpack("<II", stub.read(modules, 8))
        stub.write(modules, struct.pack("<II", self.image_start, self.image_start + end - start))

    def drive(self, guest):
        with open(guest.machine.path("hypervisor"), "rb") as file:
            self.image_start = elfmake.lowest_physical(file.read()) + 0x1000
        super().drive(guest)
