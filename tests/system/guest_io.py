# SPDX-License-Identifier: MIT
"""What back ends and front ends agree on and use: several queues, persistent grants, flush, discard, and
disks that grow while the guest works with them. Backed by an LVM volume, an NVMe drive and a file.
"""
import hashlib
import os
import re

from harness import Failure, Scenario, between, equal, true

VOLUME_MIB, DRIVE_MIB, FILE_MIB, MORE_MIB = 64, 16, 32, 16
FETCHES = 20
ZEROS_8M = hashlib.sha256(bytes(8 << 20)).hexdigest()
PRELUDE = """
. /demo/lib
front=/local/domain/1/device back=/local/domain/0/backend
loop_of() { losetup -a | sed -n "s+^\\([^:]*\\): .* $1\\$+\\1+p"; }
has_sectors() { [ "$(tell g "cat /sys/block/$1/size")" = $2 ]; }
blocks() { sync; stat -c '%b blocks' $1; }
served() { (cd /sys/bus/xen-backend/devices/vbd-1-$1/statistics; grep . rd_req wr_req f_req ds_req); }
maps() { cat /sys/kernel/tracing/kprobe_profile; }
irqs() { tell g "grep -E '$1' /proc/interrupts"; }
"""
READ_ON_EACH_CPU = ("for n in 0 1; do taskset -c $n dd if=/dev/%s of=/dev/null bs=256k count=32 iflag=direct "
                    "2>/dev/null; done")
# counts what it could read while the disk grows
READ_ON = ("rm -f /tmp/stop /tmp/bad; echo 0 >/tmp/n; (until [ -e /tmp/stop ]; do "
           "dd if=/dev/%s of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null || echo >>/tmp/bad; "
           "read -r n </tmp/n; echo $((n + 1)) >/tmp/m; mv /tmp/m /tmp/n; done) &")
HOW_FAR = "cat /tmp/n; [ ! -e /tmp/bad ] || echo bad"


class GuestIo(Scenario):
    TITLE = "guest-io"
    GUESTS = True
    XEN_ARGS = "dom0_max_vcpus=2"
    PRELUDE = PRELUDE
    TIMEOUT_S = 900
    SCRIPT = {
        "volume": "modprobe dm-mod && truncate -s 160M /tmp/pv.img && loop=$(losetup -f) && "
                  "losetup $loop /tmp/pv.img && lvm pvcreate -q $loop && lvm vgcreate -q vg $loop && "
                  "lvm lvcreate -q -n vol -L %dM vg && "
                  "truncate -s %dM /tmp/f.img && ls -lL /dev/vg/vol /dev/nvme0n1" % (VOLUME_MIB, FILE_MIB),
        "bridge": "brctl addbr br0 && ip addr add 10.9.0.1/24 dev br0 && ip link set br0 up; httpd -h /tmp",
        "start": "config g vcpus=2 \"vif=['bridge=br0']\" \"disk=['phy:/dev/vg/vol,xvda,w', "
                 "'phy:/dev/nvme0n1,xvdb,w', '/tmp/f.img,raw,xvdc,rw']\" && start g && "
                 "tell g 'nproc; ip addr add 10.9.0.11/24 dev eth0 && ip link set eth0 up'",
        "features": "for n in $front/vbd/51712 $front/vif/0 $back/vbd/1/51712 $back/vbd/1/51744 $back/vif/1/0; "
                    "do echo \"in $n\"; xenstore-ls $n; done",
        "queues": "tell g 'for n in xvda xvdb xvdc; do echo $n $(ls /sys/block/$n/mq); done; "
                  "echo eth0 $(ls /sys/class/net/eth0/queues)'",
        "blk-before": "irqs blkif",
        "blk": "tell g '%s'; irqs blkif" % READ_ON_EACH_CPU % "xvda",
        "net": "echo some words >/tmp/w; tell g 'for n in $(seq %d); do wget -q -O - http://10.9.0.1/w; done "
               "| sort | uniq -c'; irqs vif" % FETCHES,
        "persistent": "mount -t tracefs tracefs /sys/kernel/tracing; cd /sys/kernel/tracing; "
                      "echo 'p:maps gnttab_map_refs' >kprobe_events && "
                      "echo 1 >events/kprobes/maps/enable; "
                      "for n in 1 2; do tell g '%s'; maps; done; tell g 'blkdiscard -l 4096 /dev/xvdc'; "
                      "echo 0 >events/kprobes/maps/enable; echo >kprobe_events" % READ_ON_EACH_CPU % "xvdb",
        "drive": "tell g 'dd if=/dev/urandom of=/dev/xvdb bs=1M conv=fsync 2>/dev/null; sha256sum /dev/xvdb'; "
                 "sync; sha256sum /dev/nvme0n1",
        "flush": "served 51744; tell g 'dd if=/dev/urandom of=/dev/xvdc bs=1M count=16 conv=fsync 2>/dev/null'; "
                 "served 51744",
        "discard": "blocks /tmp/f.img; tell g 'blkdiscard -o 4194304 -l 8388608 /dev/xvdc'; blocks /tmp/f.img; "
                   "tell g 'dd if=/dev/xvdc bs=1M skip=4 count=8 iflag=direct 2>/dev/null | sha256sum'; "
                   "served 51744",
        "discard-volume": "tell g 'dd if=/dev/urandom of=/dev/xvda bs=1M count=16 conv=fsync 2>/dev/null'; "
                          "blocks /tmp/pv.img; tell g 'blkdiscard -l 16777216 /dev/xvda'; blocks /tmp/pv.img",
        "fstrim": "tell g '/sbin/mke2fs -q -t ext4 /dev/xvdc && mount -t ext4 /dev/xvdc /mnt && "
                  "dd if=/dev/urandom of=/mnt/f bs=1M count=12 2>/dev/null && cp /bin/busybox /mnt/b && sync'; "
                  "blocks /tmp/f.img; tell g 'rm /mnt/f; sync; fstrim -v /mnt'; blocks /tmp/f.img",
        "grow": "tell g '%s'; tell g 'sleep 1; %s'; truncate -s %dM /tmp/f.img && losetup -c $(loop_of /tmp/f.img); "
                "await 20 has_sectors xvdc %d; tell g 'cat /sys/block/xvdc/size; sleep 1; %s; touch /tmp/stop'"
                % (READ_ON % "xvdc", HOW_FAR, FILE_MIB + MORE_MIB, (FILE_MIB + MORE_MIB) << 11, HOW_FAR),
        "grow-file-system": "tell g '/sbin/resize2fs /dev/xvdc; df -m /mnt | tail -n 1; cmp /bin/busybox /mnt/b && "
                            "umount /mnt && /sbin/e2fsck -fn /dev/xvdc'",
        "grow-volume": "tell g '%s'; lvm lvextend -q -L +%dM vg/vol; await 20 has_sectors xvda %d; "
                       "tell g 'cat /sys/block/xvda/size; sleep 1; %s; touch /tmp/stop'; sleep 1; "
                       "tell g 'dmesg | grep -E \"blkfront|xvd\"'"
                       % (READ_ON % "xvda", MORE_MIB, (VOLUME_MIB + MORE_MIB) << 11, HOW_FAR),
        "end": "xl destroy g; await 30 test ! -e /sys/bus/xen-backend/devices/vbd-1-51712; "
               "lvm vgchange -q -an vg 2>&1; losetup -d $(loop_of /tmp/pv.img); await 30 alone; xl list; losetup -a",
        "hotplug-log": "cat /var/log/xen/xen-hotplug.log",
        "kernel-log": "dmesg",
    }

    def prepare(self):
        self.drive_path = self.context.path("guest-io-nvme.img")
        with open(self.drive_path, "wb") as file:
            file.truncate(DRIVE_MIB << 20)
        self.DISKS = ["nvme:" + self.drive_path]

    def hashes(self, key):
        return re.findall(r"\b[0-9a-f]{64}\b", self.said[key].text)

    def store(self, path):
        """The nodes right below a path of the "features" list."""
        text = re.search(r"^in \S*%s\n((?:(?!in /).*\n)*)" % re.escape(path), self.said["features"].text + "\n", re.M)
        return dict(re.findall(r'^(\S+) = "(.*)"$', text.group(1), re.M))

    def interrupts(self, key, name):
        """Interrupts so far by number of those with a name."""
        return {row[0]: sum(map(int, row[1:3])) for row in map(str.split, self.words(key)) if re.match(name, row[-1])}

    def blocks(self, key):
        """Bytes that a backing file takes, in the order told."""
        return [512 * int(n) for n in re.findall(r"^(\d+) blocks$", self.said[key].text, re.M)]

    def served(self, key):
        """How many requests of each kind a back end has had, in the order told."""
        rows = re.findall(r"^(\w+)_req:(\d+)$", self.said[key].text, re.M)
        return [dict((name, int(n)) for name, n in rows[i:i + 4]) for i in range(0, len(rows), 4)]

    def check_guest_starts(self):
        for key in ("volume", "bridge", "start"):
            if self.said[key].status:
                raise Failure("%s: %s" % (key, self.said[key].text))
        equal(self.words("start")[-1], "2", "CPUs of the guest")

    def check_queues_are_agreed(self):
        for path, name in (("vbd/51712", "multi-queue-num-queues"), ("vif/0", "multi-queue-num-queues"),
                           ("backend/vbd/1/51712", "multi-queue-max-queues"),
                           ("backend/vif/1/0", "multi-queue-max-queues")):
            equal(self.store(path).get(name), "2", "%s of %s" % (name, path))

    def check_queues_are_there(self):
        lines = self.words("queues")
        equal(lines[:3], ["%s 0 1" % name for name in ("xvda", "xvdb", "xvdc")], "queues of disks")
        equal(lines[3].split(), ["eth0", "rx-0", "rx-1", "tx-0", "tx-1"], "queues of the network card")

    def check_disk_queues_are_used(self):
        before, after = (self.interrupts(key, "blkif") for key in ("blk-before", "blk"))
        equal(len(after), 6, "disk interrupts")
        equal(len([n for n in after if after[n] > before[n]]), 2, "interrupts of one disk's work")

    def check_network_queues_are_used(self):
        self.said["net"].find(r"^ *%d some words$" % FETCHES)
        rows = [row for row in map(str.split, self.words("net")) if row[-1].startswith("vif")]
        found = {row[-1]: sum(map(int, row[1:3])) for row in rows}
        equal(sorted(found), ["vif0-q%d-%s" % (n, way) for n in (0, 1) for way in ("rx", "tx")], "interrupts")
        true(all(found["vif0-q%d-rx" % n] for n in (0, 1)), "a queue without interrupts: %s" % found)

    def check_persistent_grants(self):
        for path in ("vbd/51712", "backend/vbd/1/51712"):
            equal(self.store(path).get("feature-persistent"), "1", "feature-persistent of " + path)
        hits = [int(row[1]) for row in map(str.split, self.words("persistent")) if row[0] == "maps"]
        equal(len(hits), 2, "counts")
        true(hits[0] > 0, "nothing was mapped at first")
        equal(hits[1], hits[0], "mappings after the same reads again")

    def check_drive(self):
        with open(self.drive_path, "rb") as file:
            data = hashlib.sha256(file.read()).hexdigest()
        equal(self.hashes("drive"), [data, data], "sums by guest and dom0")

    def check_flush(self):
        before, after = self.served("flush")
        true(after["f"] > before["f"], "no flush was served: %s" % after)
        between(after["wr"] - before["wr"], 16, 16 * 256, "writes")

    def check_discard(self):
        equal(self.store("backend/vbd/1/51744").get("feature-discard"), "1", "feature-discard")
        before, after = self.blocks("discard")
        equal(before - after, 8 << 20, "bytes given back")
        equal(self.hashes("discard"), [ZEROS_8M], "sum of what was discarded")
        true(self.served("discard")[0]["ds"] > 0, "no discard was served")

    def check_discard_reaches_below_lvm(self):
        before, after = self.blocks("discard-volume")
        equal(before - after, 16 << 20, "bytes given back")

    def check_fstrim(self):
        before, after = self.blocks("fstrim")
        between(before - after, 11 << 20, 14 << 20, "bytes given back")

    def grown(self, key, mib):
        said = [line for line in self.words(key) if line.isdigit() or line == "bad"]
        true("bad" not in said, "a read failed: %s" % said)
        true(str(mib << 11) in said, "not the new size: %s" % said)
        return said

    def check_grow_file(self):
        before, sectors, after = map(int, self.grown("grow", FILE_MIB + MORE_MIB))
        true(after > before, "reading stood still: %d, then %d" % (before, after))

    def check_grow_file_system(self):
        size = int(self.said["grow-file-system"].find(r"^/dev/xvdc +(\d+)").group(1))
        between(size, FILE_MIB + 4, FILE_MIB + MORE_MIB, "MiB of the file system")
        self.said["grow-file-system"].find(r"^/dev/xvdc: \d+/\d+ files")

    def check_grow_volume(self):
        self.grown("grow-volume", VOLUME_MIB + MORE_MIB)

    def check_nothing_is_left_in_dom0(self):
        equal(len([line for line in self.words("end") if "loop" in line or line.startswith("g ")]), 0, "lines")

    def check_hotplug_scripts_say_nothing(self):
        equal(self.words("hotplug-log"), [], "lines")

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.words("kernel-log") if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernel's log")
