# SPDX-License-Identifier: MIT
"""Interrupts of real devices the hard way: lines shared by several devices instead of messages, and
drivers that let go of their devices, take them again and reset them."""
import os
import re

from devices import DRIVES, PING, WAIT_FOR_DISKS, disk_file
from harness import Failure, Scenario, equal, true

# All disks at once, past the page cache. One request at a time of each: QEMU 7.2's NVMe drive, told of the
# end of its queue in memory, leaves its line raised when a second request ends just after the first.
READ_ALL = "".join("dd if=/dev/%s bs=64k iflag=direct 2>/dev/null | sha256sum >/tmp/%s &\n"
                   % (device, bus) for bus, device in DRIVES.items()) + "wait\n" + "".join(
    "echo %s $(cat /tmp/%s)\n" % (bus, bus) for bus in DRIVES)
INTERRUPTS = "grep -E 'nvme|ahci|virtio|eth' /proc/interrupts"


class Disks(Scenario):
    def prepare(self):
        super().prepare()
        self.hashes, self.files = {}, []
        for seed, bus in enumerate(DRIVES):
            path = self.context.path("%s-%s.img" % (self.name(), bus))
            self.hashes[bus] = disk_file(path, seed + 10)
            self.files.append(path)
        self.DISKS = ["%s:%s" % pair for pair in zip(DRIVES, self.files)]

    def run(self):
        try:
            super().run()
        finally:
            for path in self.files:
                os.unlink(path)

    def read_well(self, said):
        equal({row[0]: row[1] for row in said.rows()}, self.hashes, "sha256 by bus")


class SharedLines(Disks):
    TITLE = "shared-lines"
    DOM0_ARGS = "pci=nomsi"
    NETS = ("e1000e", "virtio")
    SCRIPT = {
        "disks": WAIT_FOR_DISKS,
        "read": READ_ALL,
        "ping": PING.format(driver="virtio_net"),
        "interrupts": INTERRUPTS,
    }

    def check_disks_read(self):
        self.read_well(self.said["read"])

    def check_net_pings(self):
        if self.said["ping"].status:
            raise Failure(self.said["ping"].text)

    def check_lines_are_shared(self):
        lines = [line for line in self.said["interrupts"].lines() if "xen-pirq" in line]
        true(all("-ioapic-level" in line for line in lines), "not all are lines: %s" % lines)
        true(any("," in line and int(line.split()[1]) > 10 for line in lines),
             "no line is shared: %s" % lines)


class Rebind(Disks):
    TITLE = "rebind"
    MACHINE = "q35"
    NETS = ("e1000e",)
    SCRIPT = {
        "disks": WAIT_FOR_DISKS,
        "rebind": """
cd /sys/bus/pci/drivers
for driver in nvme ahci virtio-pci e1000e; do
    for device in $(cd $driver; ls -d 0000:*); do
        for turn in 1 2 3; do
            echo $device >$driver/unbind
            echo $device >$driver/bind
            # probing goes on behind our back, and a driver taken away meanwhile may not come back
            for wait in $(seq 100); do
                [ $driver = nvme ] || break
                grep -q live $driver/$device/nvme/nvme*/state 2>/dev/null && break
                sleep 0.1
            done
        done
    done
done
""" + WAIT_FOR_DISKS,
        "read": READ_ALL,
        "reset": "for name in /sys/block/nvme0n1/device /sys/class/net/eth0; do\n"
                 "[ -e $name ] || exit 1\n"
                 "until [ -e $name/reset ]; do name=$(readlink -f $name/device); done\n"
                 "echo 1 >$name/reset || exit 1; done",
        "read-again": READ_ALL,
        "ping": PING.format(driver="e1000e"),
        "interrupts": INTERRUPTS,
        "key": "xl debug-keys i; xl dmesg",
    }

    def check_disks_read_after_rebinding(self):
        self.read_well(self.said["read"])

    def check_disks_read_after_reset(self):
        equal(self.said["reset"].status, 0, "status of the reset")
        self.read_well(self.said["read-again"])

    def check_net_pings_after_reset(self):
        if self.said["ping"].status:
            raise Failure(self.said["ping"].text)

    def check_all_are_messages(self):
        lines = [line for line in self.said["interrupts"].lines() if "xen-pirq" in line]
        true(lines and all(re.search(r"-msi(-x)?\b", line) for line in lines), "\n".join(lines))

    def check_debug_key(self):
        if not self.context.krypton:
            return
        self.said["key"].find(r"stray interrupts: 0$")
        self.said["key"].find(r"MSI-X 1 edge")
