# SPDX-License-Identifier: MIT
"""Makes small ELF kernels for tests (System V ABI; Xen's elfnote.h)."""
import struct

XEN_ELFNOTE_ENTRY, XEN_ELFNOTE_XEN_VERSION, XEN_ELFNOTE_GUEST_OS = 1, 5, 6
XEN_ELFNOTE_LOADER, XEN_ELFNOTE_PAE_MODE, XEN_ELFNOTE_VIRT_BASE = 8, 9, 3


def note(kind, value):
    data = value if isinstance(value, bytes) else value.encode() + b"\0"
    padded = data + bytes(-len(data) % 4)
    return struct.pack("<III", 4, len(data), kind) + b"Xen\0" + padded


def xen_notes_32(base=0xc0000000, entry=0xc1000000):
    return b"".join([
        note(XEN_ELFNOTE_GUEST_OS, "linux"), note(XEN_ELFNOTE_XEN_VERSION, "xen-3.0"),
        note(XEN_ELFNOTE_LOADER, "generic"), note(XEN_ELFNOTE_PAE_MODE, "yes"),
        note(XEN_ELFNOTE_VIRT_BASE, struct.pack("<I", base)),
        note(XEN_ELFNOTE_ENTRY, struct.pack("<I", entry))])


def xen_notes_64(base, entry):
    return b"".join([
        note(XEN_ELFNOTE_GUEST_OS, "linux"), note(XEN_ELFNOTE_XEN_VERSION, "xen-3.0"),
        note(XEN_ELFNOTE_LOADER, "generic"), note(XEN_ELFNOTE_PAE_MODE, "yes"),
        note(XEN_ELFNOTE_VIRT_BASE, struct.pack("<Q", base)),
        note(XEN_ELFNOTE_ENTRY, struct.pack("<Q", entry))])


def elf64(code, address, notes, physical=None):
    if physical is None:
        physical = address & 0xffffff | 0x1000000
    count = 1 + bool(notes)
    body = 64 + 56 * count
    programs = struct.pack("<IIQQQQQQ", 1, 7, body, address, physical, len(code), len(code), 0x1000)
    if notes:
        programs += struct.pack("<IIQQQQQQ", 4, 4, body + len(code), 0, 0, len(notes), len(notes), 4)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, address, 64, 0, 0, 64, 56, count, 64, 0, 0)
    return head + programs + code + notes


def elf32(code, address, notes):
    physical = address & 0xffffff | 0x1000000
    body = 52 + 32 * 2
    programs = struct.pack("<8I", 1, body, address, physical, len(code), len(code), 7, 0x1000)
    programs += struct.pack("<8I", 4, body + len(code), 0, 0, len(notes), len(notes), 4, 4)
    head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack(
        "<HHIIIIIHHHHHH", 2, 3, 1, address, 52, 0, 0, 52, 32, 2, 40, 0, 0)
    return head + programs + code + notes


def lowest_physical(image):
    """The lowest physical address of the loaded segments, ELF32 or ELF64."""
    if image[4] == 2:
        offset, = struct.unpack_from("<Q", image, 32)
        size, count = struct.unpack_from("<HH", image, 54)
        headers = [struct.unpack_from("<IIQQQQQQ", image, offset + i * size) for i in range(count)]
        return min(h[4] for h in headers if h[0] == 1)
    offset, = struct.unpack_from("<I", image, 28)
    size, count = struct.unpack_from("<HH", image, 42)
    headers = [struct.unpack_from("<8I", image, offset + i * size) for i in range(count)]
    return min(h[3] for h in headers if h[0] == 1)
