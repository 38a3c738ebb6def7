# SPDX-License-Identifier: MIT
"""Disks of PV guests served by Debian's QEMU in dom0: raw, qcow2, vhd, and vmdk below a qcow2 layer, as xl
has no word for it alone."""
import re

from harness import Scenario, equal

DISK_MIB, FILE_MIB = 32, 4
FORMATS = ("raw", "qcow2", "vhd", "vmdk")
DISKS = ", ".join("'backendtype=qdisk,format=%s,vdev=xvd%s,access=rw,target=/tmp/%s.img'"
                  % ("qcow2" if kind == "vmdk" else kind, "abcd"[n], kind) for n, kind in enumerate(FORMATS))
PRELUDE = """
. /demo/lib
qemus() { pidof xen-qemu-system-i386 | wc -w; }
"""
FILL = ("for n in a b c d; do /sbin/mke2fs -q -t ext4 /dev/xvd$n && mount -t ext4 /dev/xvd$n /mnt && "
        "dd if=/dev/urandom of=/mnt/f bs=1M count=%d 2>/dev/null && umount /mnt && "
        "/sbin/e2fsck -fn /dev/xvd$n 2>&1 | tail -n 1; done; sync; "
        "for n in a b c d; do sha256sum </dev/xvd$n; done" % FILE_MIB)


class GuestQdisk(Scenario):
    TITLE = "guest-qdisk"
    GUESTS = True
    LONG = True
    ARCHIVES = ("qemu.cpio",)
    PRELUDE = PRELUDE
    TIMEOUT_S = 900
    SCRIPT = {
        "images": "cd /tmp; truncate -s %dM raw.img; head -c 3000000 /dev/urandom | "
                  "dd of=raw.img conv=notrunc bs=4k 2>/dev/null; sha256sum <raw.img; "
                  "qemu-img convert -O qcow2 raw.img qcow2.img && "
                  "qemu-img convert -O vpc -o force_size=on raw.img vhd.img && "
                  "qemu-img convert -O vmdk raw.img below.vmdk && "
                  "qemu-img create -q -f qcow2 -b below.vmdk -F vmdk vmdk.img; qemu-img info vmdk.img" % DISK_MIB,
        "start": "config g memory=128 \"disk=[%s]\" && start g; qemus" % DISKS,
        "read": "tell g 'for n in a b c d; do sha256sum </dev/xvd$n; done'",
        "store": "xenstore-ls -f /local/domain/0/backend/qdisk; xl block-list g",
        "fill": "tell g '%s'" % FILL,
        "kernel-log": "dmesg",
    }

    def hashes(self, key):
        return re.findall(r"\b[0-9a-f]{64}\b", self.said[key].text)

    def check_one_qemu_serves_all(self):
        equal(self.words("start"), ["1"], "QEMUs")
        said = self.said["store"]
        for n, kind in enumerate(FORMATS):
            word = {"raw": "aio", "vmdk": "qcow2"}.get(kind, kind)
            said.find(r'/qdisk/1/%d/params = "%s:/tmp/%s\.img"' % (51712 + 16 * n, word, kind))
            said.find(r'/qdisk/1/%d/state = "4"' % (51712 + 16 * n))

    def check_reads_every_format(self):
        equal(self.hashes("read"), self.hashes("images") * len(FORMATS), "sums in the guest")

    def check_file_systems_are_clean(self):
        equal(len(re.findall(r"^/dev/xvd[a-d]: 12/\d+ files", self.said["fill"].text, re.M)), len(FORMATS), "disks")

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.words("kernel-log") if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernel's log")
