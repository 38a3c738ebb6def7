# SPDX-License-Identifier: MIT
"""Checks of real devices driven by dom0: disks, network cards, the clock, power-off."""
import hashlib
import os
import random
import re
import time

from harness import Failure, between, equal, true

DISK_BYTES = 64 << 20
WRITE_AT_MIB, WRITE_MIB = 16, 4
DRIVES = {"nvme": "nvme0n1", "ahci": "sda", "virtio": "vda"}

WAIT_FOR_DISKS = """
tries=0
until [ -b /dev/nvme0n1 ] && [ -b /dev/sda ] && [ -b /dev/vda ]; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || exit 1; usleep 100000
done
"""

# The cards are told apart by their drivers; each has the emulator's network for itself.
PING = """
for card in /sys/class/net/eth*; do
    driver=$(basename "$(readlink "$card/device/driver")")
    [ "$driver" = {driver} ] && name=${{card##*/}}
done
[ -n "$name" ] || exit 1
ip addr add 10.0.2.15/24 dev "$name" && ip link set "$name" up
tries=0
until [ "$(cat /sys/class/net/$name/carrier)" = 1 ] || [ $tries -ge 50 ]; do
    tries=$((tries + 1)); usleep 100000
done
ping -c 3 -W 3 10.0.2.2
status=$?
grep "$name\\|virtio[0-9]*-input" /proc/interrupts
ip addr flush dev "$name"; ip link set "$name" down
exit $status
"""


def disk_file(path, seed):
    data = random.Random(seed).randbytes(DISK_BYTES)
    with open(path, "wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


class Devices:
    NETS = ("e1000e", "virtio")
    SCRIPT = {
        "disks": WAIT_FOR_DISKS,
        **{"read-" + bus: "dd if=/dev/%s bs=1M count=64 2>/dev/null | sha256sum; "
                          "cat /sys/block/%s/size; grep -i '%s' /proc/interrupts"
                          % (device, device, bus if bus != "virtio" else "virtio.*req")
           for bus, device in DRIVES.items()},
        **{"write-" + bus: "dd if=/bin/busybox bs=1M count=1 2>/dev/null | head -c 1048576 | sha256sum\n"
                           "head -c 1048576 /bin/busybox >/tmp/part\n"
                           "for n in 0 1 2 3; do cat /tmp/part; done |"
                           " dd of=/dev/%s bs=1M seek=%d conv=fsync iflag=fullblock 2>/dev/null"
                           % (device, WRITE_AT_MIB)
           for bus, device in DRIVES.items()},
        "ping-e1000e": PING.format(driver="e1000e"),
        "ping-virtio": PING.format(driver="virtio_net"),
        "hwclock": "hwclock -r -u; date -u +%s",
        "pci": "for d in /sys/bus/pci/devices/*; do echo \"$(basename $d) $(cat $d/class)\"; done",
        "acpi": "ls /sys/firmware/acpi/tables",
    }

    def prepare(self):
        super().prepare()
        self.hashes, disks = {}, []
        for seed, bus in enumerate(DRIVES):
            path = self.context.path("%s-%s.img" % (self.name(), bus))
            self.hashes[bus] = disk_file(path, seed)
            disks.append("%s:%s" % (bus, path))
        self.DISKS = disks

    def drive(self, guest):
        self.started_s = time.time()
        super().drive(guest)
        self.ended_s = time.time()

    def keep(self, guest):
        super().keep(guest)
        self.qemu_status = guest.wait(0)

    def read_disk(self, bus):
        said = self.said["read-" + bus]
        size = re.search(r"^(\d+)$", said.text, re.M)
        equal(int(size.group(1)) * 512 if size else None, DISK_BYTES, "size in bytes")
        equal(said.text.split()[0], self.hashes[bus], "sha256")

    def check_disk_nvme_reads(self):
        self.read_disk("nvme")

    def check_disk_ahci_reads(self):
        self.read_disk("ahci")

    def check_disk_virtio_reads(self):
        self.read_disk("virtio")

    def written(self, bus):
        digest = self.said["write-" + bus].text.split()[0]
        path = self.context.path("%s-%s.img" % (self.name(), bus))
        with open(path, "rb") as file:
            file.seek(WRITE_AT_MIB << 20)
            for _ in range(WRITE_MIB):
                equal(hashlib.sha256(file.read(1 << 20)).hexdigest(), digest, "sha256 in the file")
        os.unlink(path)

    def check_disk_nvme_writes(self):
        self.written("nvme")

    def check_disk_ahci_writes(self):
        self.written("ahci")

    def check_disk_virtio_writes(self):
        self.written("virtio")

    def check_disk_interrupts_are_messages(self):
        for bus, kind in (("nvme", r"xen-pirq\s+-msi"), ("virtio", r"xen-pirq\s+-msi")):
            lines = [line for line in self.said["read-" + bus].lines() if "xen-pirq" in line]
            true(lines, "%s has no interrupt line" % bus)
            true(any(re.search(kind, line) for line in lines),
                 "%s does not use MSI: %s" % (bus, "; ".join(lines)))
            true(any(int(line.split()[1]) for line in lines), "%s had no interrupt" % bus)

    def ping(self, name):
        said = self.said["ping-" + name]
        if said.status:
            raise Failure("status %d: %s" % (said.status, said.text))
        said.find(r"3 packets transmitted, 3 packets received, 0% packet loss")

    def check_net_e1000e_pings(self):
        self.ping("e1000e")

    def check_net_virtio_pings(self):
        self.ping("virtio")

    def check_clock_rtc(self):
        text = self.said["hwclock"].lines()[0].rsplit(" ", 2)[0].rsplit("  ", 1)[0]
        stamp = time.mktime(time.strptime(text.strip(), "%a %b %d %H:%M:%S %Y")) - time.timezone
        between(stamp, self.started_s - 5, self.ended_s + 5, "the RTC's time")

    def check_clock_wall(self):
        between(int(self.said["hwclock"].lines()[1]), self.started_s - 5, self.ended_s + 5, "dom0's time")

    def check_pci_devices_seen(self):
        classes = sorted(row[1] for row in self.said["pci"].rows())
        for wanted, what in (("0x010802", "NVMe"), ("0x010601", "AHCI"), ("0x010000", "virtio-blk"),
                             ("0x060000", "host bridge")):
            true(wanted in classes, "no %s function (%s) in %s" % (what, wanted, " ".join(classes)))
        equal(classes.count("0x020000"), 2, "network cards")

    def check_acpi_tables_reach_dom0(self):
        true({"APIC", "DSDT", "FACP"} <= set(self.said["acpi"].text.split()),
             "tables: " + self.said["acpi"].text)

    def check_powers_off(self):
        equal(self.reason, "guest-shutdown", "end of the machine")
        equal(self.qemu_status, 0, "QEMU's status")
