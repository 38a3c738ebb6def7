#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes what `xl dump-core` wrote of a PV guest readable for gdb.

Such a file is an ELF core with sections only; gdb wants program headers. They are put behind it: a note
with the registers of every vCPU, and a segment for each run of addresses that the first vCPU's page tables
map. The file's other readers see what they saw before. Then:

    gdb -c DUMP [vmlinux]

Structures are those of Xen's public headers (arch-x86/xen.h, arch-x86/xen-x86_64.h).
"""
import argparse
import mmap
import struct
import sys

PAGE = 4096
EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
SHDR = struct.Struct("<IIQQQQIIQQ")
PHDR = struct.Struct("<IIQQQQQQ")
ET_CORE, EM_X86_64, PT_LOAD, PT_NOTE, NT_PRSTATUS, FLAGS_RX = 4, 62, 1, 4, 1, 5
MOST_SEGMENTS = 60000  # e_phnum has 16 bits
PRESENT, LARGE, FRAME = 1, 0x80, 0x000ffffffffff000
RESERVED_SLOTS = range(256, 272)  # of the top table: the hypervisor's
# struct vcpu_guest_context: its size, and where cr3 and the segment bases are
CONTEXT, CONTEXT_REGISTERS, CONTEXT_CR3, CONTEXT_BASES = 5168, 520, 4984 + 3 * 8, 5144
# struct cpu_user_regs: 15 registers in the order of ptrace, the vector, rip, cs, rflags, rsp, ss, es, ds, fs, gs
REGISTERS = struct.Struct("<15QQQHHIQQQQQQQ")
# struct elf_prstatus: its size, and where the number of the thread and the registers are
PRSTATUS, PRSTATUS_PID, PRSTATUS_REGISTERS = 336, 32, 112


class Error(Exception):
    """The file is not what we take."""


class Dump:
    def __init__(self, data):
        self.data = data
        try:
            self.header = list(EHDR.unpack_from(data))
            ident, kind, machine = self.header[:3]
            if ident[:6] != b"\x7fELF\x02\x01" or kind != ET_CORE or machine != EM_X86_64:
                raise Error("no 64-bit ELF core of an x86 guest")
            self.sections = self.read_sections()
            self.contexts = self.section(".xen_prstatus")
            self.pages_at = self.sections[".xen_pages"][0]
            self.offsets = self.read_p2m(self.section(".xen_p2m"))
        except struct.error:
            raise Error("cut off") from None
        except KeyError as name:
            raise Error("no section %s: not a dump of a PV guest" % name) from None
        if not self.contexts or len(self.contexts) % CONTEXT:
            raise Error("no vCPUs")

    def read_sections(self):
        at, entry, count, names = self.header[6], *self.header[11:14]
        rows = [SHDR.unpack_from(self.data, at + n * entry) for n in range(count)]
        if names >= count:
            raise Error("no names of sections")
        out = {}
        for row in rows:
            start = rows[names][4] + row[0]
            end = self.data.find(b"\0", start)
            out[self.data[start:end].decode(errors="replace")] = row[4], row[5]
        return out

    def section(self, name):
        at, size = self.sections[name]
        return self.data[at:at + size]

    def read_p2m(self, table):
        """Where in the file a machine frame is: the table names them in the order of the pages."""
        return {mfn: self.pages_at + n * PAGE for n, (_, mfn) in enumerate(struct.iter_unpack("<QQ", table))
                if self.pages_at + (n + 1) * PAGE <= len(self.data)}

    def entries(self, mfn):
        at = self.offsets.get(mfn)
        return struct.unpack_from("<512Q", self.data, at) if at is not None else ()

    def mapped(self):
        """(virtual address, offset, size) of everything the page tables of vCPU 0 map, upwards."""
        root = struct.unpack_from("<Q", self.contexts, CONTEXT_CR3)[0] >> 12
        if root not in self.offsets:
            raise Error("the page table of vCPU 0 is not in it")
        yield from self.walk(root, 3, 0, [4 * len(self.offsets)])

    def walk(self, mfn, level, base, budget):
        budget[0] -= 1  # tables may be nested in each other, which a kernel has no use for
        for slot, entry in enumerate(self.entries(mfn) if budget[0] >= 0 else ()):
            if not entry & PRESENT or (level == 3 and slot in RESERVED_SLOTS):
                continue
            address, frame = base | slot << 12 + 9 * level, (entry & FRAME) >> 12
            address |= 0xffff << 48 if address >> 47 & 1 else 0
            if level and not entry & LARGE:
                yield from self.walk(frame, level - 1, address, budget)
            elif not level and frame in self.offsets:
                yield address, self.offsets[frame], PAGE

    def segments(self):
        """The same, in runs; the largest when there are too many."""
        runs = []
        for address, offset, size in self.mapped():
            if runs and runs[-1][0] + runs[-1][2] == address and runs[-1][1] + runs[-1][2] == offset:
                runs[-1][2] += size
            else:
                runs.append([address, offset, size])
        if len(runs) > MOST_SEGMENTS:
            runs = sorted(sorted(runs, key=lambda run: -run[2])[:MOST_SEGMENTS])
        return runs

    def notes(self):
        return b"".join(self.note(n) for n in range(len(self.contexts) // CONTEXT))

    def note(self, vcpu):
        at = vcpu * CONTEXT
        *general, _, rip, cs, _, _, rflags, rsp, ss, es, ds, fs, gs = \
            REGISTERS.unpack_from(self.contexts, at + CONTEXT_REGISTERS)
        fs_base, gs_kernel, _ = struct.unpack_from("<3Q", self.contexts, at + CONTEXT_BASES)
        status = bytearray(PRSTATUS)
        struct.pack_into("<I", status, PRSTATUS_PID, vcpu + 1)
        struct.pack_into("<27Q", status, PRSTATUS_REGISTERS, *general, 2 ** 64 - 1, rip, cs, rflags, rsp, ss & 0xffff,
                         fs_base, gs_kernel, *(value & 0xffff for value in (ds, es, fs, gs)))
        return struct.pack("<III8s", 5, len(status), NT_PRSTATUS, b"CORE") + bytes(status)

    def addition(self, at):
        """What goes behind the file when that is `at` bytes long: headers, then notes; and how many."""
        runs, notes = self.segments(), self.notes()
        headers = [(PT_NOTE, 0, at + PHDR.size * (len(runs) + 1), 0, 0, len(notes), 0, 4)]
        headers += [(PT_LOAD, FLAGS_RX, offset, address, 0, size, size, PAGE) for address, offset, size in runs]
        return b"".join(PHDR.pack(*header) for header in headers) + notes, len(headers)


def convert(path):
    """Returns the numbers of vCPUs and segments."""
    with open(path, "r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            dump = Dump(data)
            if dump.header[5]:
                raise Error("it has program headers already")
            at = len(data) + -len(data) % 8
            more, count = dump.addition(at)
        file.seek(at)
        file.write(more)
        dump.header[5], dump.header[9], dump.header[10] = at, PHDR.size, count
        file.seek(0)
        file.write(EHDR.pack(*dump.header))
        return len(dump.contexts) // CONTEXT, count - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dump", help="the file; it is changed in place")
    path = parser.parse_args().dump
    try:
        print("%s: %d vCPUs, %d segments" % (path, *convert(path)))
    except (Error, OSError, ValueError) as error:
        sys.exit("%s: %s" % (path, error))


if __name__ == "__main__":
    main()
