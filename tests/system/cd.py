# SPDX-License-Identifier: MIT
"""The GRUB CD: both Multiboot versions, by BIOS."""
from harness import Scenario, equal, true
from krtools import iso


class Cd:
    ENTRY = "multiboot2"
    SCRIPT = {"list": "xl list", "info": "xl info", "cmdline": "cat /proc/cmdline"}

    def options(self):
        options = super().options()
        options.files["nonce"] = "cd\n"
        path = self.context.path(self.name() + ".iso")
        iso.build(options, path, self.ENTRY, timeout=0)
        options.iso = path
        return options

    def check_boots(self):
        true("Domain-0" in self.said["list"].text, self.said["list"].text)
        equal(self.reason, "guest-shutdown", "end of the machine")

    def check_command_lines(self):
        equal(self.said["info"].fields()["xen_commandline"], "console=com1 dom0_mem=1024M", "xen_commandline")
        equal(self.said["cmdline"].text.strip(), "console=hvc0 quiet", "/proc/cmdline")


class Multiboot2(Cd, Scenario):
    TITLE = "iso-multiboot2"


class Multiboot1(Cd, Scenario):
    TITLE, ENTRY, MACHINE = "iso-multiboot", "multiboot", "q35"
