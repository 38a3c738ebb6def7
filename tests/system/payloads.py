# SPDX-License-Identifier: MIT
"""Debian's kernel with its payload packed in each format that Linux offers and we read."""
from harness import Scenario, equal, true
from krtools import bzimage


class Payload:
    FORMAT = ""
    SCRIPT = {"list": "xl list", "uname": "uname -r"}

    def prepare(self):
        with open(self.context.args.dom0_kernel, "rb") as file:
            image = file.read()
        self.path = self.context.path("vmlinuz-" + self.FORMAT)
        with open(self.path, "wb") as file:
            file.write(bzimage.repack(image, self.FORMAT))

    def options(self):
        options = super().options()
        options.dom0_kernel = self.path
        return options

    def check_boots(self):
        true("Domain-0" in self.said["list"].text, self.said["list"].text)
        equal(self.reason, "guest-shutdown", "end of the machine")


class Gzip(Payload, Scenario):
    TITLE, FORMAT = "payload-gzip", "gzip"


class Zstd(Payload, Scenario):
    TITLE, FORMAT = "payload-zstd", "zstd"


class Lz4(Payload, Scenario):
    TITLE, FORMAT = "payload-lz4", "lz4"


class Xz(Payload, Scenario):
    """Debian's own payload is xz; this one is packed by another program with other settings."""
    TITLE, FORMAT = "payload-xz", "xz"


class Plain(Payload, Scenario):
    """No packing at all: the ELF file inside the bzImage."""
    TITLE, FORMAT = "payload-elf", "elf"


class Vmlinux(Payload, Scenario):
    """The ELF file alone, as some distributions install it."""
    TITLE = FORMAT = "vmlinux"

    def prepare(self):
        with open(self.context.args.dom0_kernel, "rb") as file:
            kernel = bzimage.unpack(file.read())
        self.path = self.context.path("vmlinux")
        with open(self.path, "wb") as file:
            file.write(kernel)
