# SPDX-License-Identifier: MIT
"""Reads from ELF64 files what building an initramfs needs: shared libraries, module information."""
import struct


class Elf:
    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a little-endian ELF64 file")
        self._data = data
        offset, = struct.unpack_from("<Q", data, 0x28)
        size, count, names = struct.unpack_from("<HHH", data, 0x3A)
        headers = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
        strings = self._body(headers[names]) if headers else b""
        self._sections = {_string(strings, h[0]): h for h in headers}

    def _body(self, header):
        return self._data[header[4]:header[4] + header[5]] if header[1] != 8 else b""

    def section(self, name):
        return self._body(self._sections[name]) if name in self._sections else b""

    def needed(self):
        """Names of the shared libraries in the dynamic section (DT_NEEDED)."""
        strings = self.section(".dynstr")
        return [_string(strings, value) for tag, value in struct.iter_unpack("<qQ", self.section(".dynamic"))
                if tag == 1]

    def symbols(self):
        """Addresses of the functions and objects of the symbol table by name."""
        strings = self.section(".strtab")
        return {_string(strings, name): value for name, _, _, _, value, _
                in struct.iter_unpack("<IBBHQQ", self.section(".symtab")) if name and value}

    def modinfo(self):
        """A kernel module's information: list of (key, value)."""
        fields = self.section(".modinfo").decode(errors="replace").split("\0")
        return [tuple(field.split("=", 1)) for field in fields if "=" in field]


def is_elf(data):
    return data[:6] == b"\x7fELF\x02\x01"


def _string(table, offset):
    return table[offset:table.index(b"\0", offset)].decode()
