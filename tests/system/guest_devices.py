# SPDX-License-Identifier: MIT
"""Disks and networks of PV guests: Debian's back ends in dom0, Debian's hotplug scripts, Debian's front
ends in the guests. What one side wrote the other side reads, by checksum."""
import re

from harness import Failure, Scenario, equal, true

DISK_MIB, FILE_MIB, SENT_BYTES = 32, 8, 5_000_000
PRELUDE = """
. /demo/lib
xvd() { tell "$1" "ls /sys/block | grep xvd"; }
cards() { tell "$1" "ls /sys/class/net"; }
has() { tell "$1" "test -e $2"; }
lacks() { tell "$1" "! test -e $2"; }
"""
FILL = ("/sbin/mke2fs -q -t ext4 /dev/xvda && mount -t ext4 /dev/xvda /mnt && "
        "dd if=/dev/urandom of=/mnt/f bs=1M count=%d 2>/dev/null && sha256sum /mnt/f && umount /mnt && "
        "/sbin/e2fsck -fn /dev/xvda 2>&1 | tail -n 1; sync; sha256sum /dev/xvda" % FILE_MIB)
SERVE = "head -c %d /dev/urandom >/tmp/%s; sha256sum /tmp/%s; httpd -p 80 -h /tmp"
GET = "wget -q -O - http://%s/%s | sha256sum"


class GuestDevices(Scenario):
    TITLE = "guest-devices"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        "bridge": "brctl addbr br0 && ip addr add 10.9.0.1/24 dev br0 && ip link set br0 up",
        "images": "for n in 1 2 3; do truncate -s %dM /tmp/$n.img; done; "
                  "head -c 3000000 /dev/urandom | dd of=/tmp/3.img conv=notrunc bs=4k 2>/dev/null; "
                  "sha256sum /tmp/3.img" % DISK_MIB,
        "start": "for n in 1 2; do config g$n \"disk=['/tmp/$n.img,raw,xvda,rw']\" \"vif=['bridge=br0']\" "
                 "memory=128; start g$n || exit 1; "
                 "tell g$n \"ip addr add 10.9.0.1$n/24 dev eth0 && ip link set eth0 up\" || exit 1; done",
        "lists": "xl block-list g1; xl network-list g1; losetup -a; ls /sys/class/net/br0/brif",
        "fill": "tell g1 '%s'; sha256sum /tmp/1.img" % FILL,
        "blkfront": "tell g1 'dmesg | grep blkfront:'; xenstore-ls -f /local/domain/0/backend/vbd/1",
        "block-attach": "xl block-attach g1 /tmp/3.img,raw,xvdb,r && await 10 has g1 /dev/xvdb; "
                        "tell g1 'sha256sum /dev/xvdb; echo x 2>/dev/null >/dev/xvdb || echo read only'",
        "block-detach": "xl block-detach g1 xvdb && await 10 lacks g1 /dev/xvdb; xvd g1; losetup -a",
        "ping": "tell g1 'ping -c 2 -w 5 10.9.0.1; ping -c 2 -w 5 10.9.0.12'",
        "serve": SERVE % (SENT_BYTES, "d0", "d0") + "; tell g1 '" + SERVE % (SENT_BYTES, "d1", "d1") + "'",
        "to-g1": "tell g1 '%s'" % GET % ("10.9.0.1", "d0"),
        "from-g1": GET % ("10.9.0.11", "d1"),
        "g1-to-g2": "tell g2 '%s'" % GET % ("10.9.0.11", "d1"),
        "network-attach": "xl network-attach g1 bridge=br0 && await 10 has g1 /sys/class/net/eth1; cards g1; "
                          "xl network-list g1",
        "network-detach": "xl network-detach g1 1 && await 10 lacks g1 /sys/class/net/eth1; cards g1; "
                          "xl network-list g1",
        "second-life": "xl destroy g1; config g1 \"disk=['/tmp/1.img,raw,xvda,r']\" memory=128; start g1; "
                       "tell g1 'mount -t ext4 -o ro /dev/xvda /mnt && sha256sum /mnt/f'",
        "end": "for n in 1 2; do xl destroy g$n; done; await 30 alone; xl list; losetup -a; ls /sys/class/net",
        "hotplug-log": "cat /var/log/xen/xen-hotplug.log",
        "kernel-log": "dmesg",
    }

    def hashes(self, key):
        return re.findall(r"\b[0-9a-f]{64}\b", self.said[key].text)

    def check_guests_start(self):
        for key in ("bridge", "images", "start"):
            if self.said[key].status:
                raise Failure("%s: %s" % (key, self.said[key].text))

    def check_lists(self):
        said = self.said["lists"]
        said.find(r"^51712 +0 +1 +4 +\d+ +\d+ +/local/domain/0/backend/vbd/1/51712")
        said.find(r"^0 +0 +00:16:3e:\S+ +0 +4 ")
        said.find(r"^/dev/loop0: 0 /tmp/1.img")
        said.find(r"vif1\.0")

    def check_disk_file_system_is_clean(self):
        self.said["fill"].find(r"^/dev/xvda: 12/\d+ files .*")

    def check_disk_reaches_the_image(self):
        found = self.hashes("fill")
        equal(len(found), 3, "sums in: " + self.said["fill"].text)
        equal(found[1], found[2], "sum of the image, by guest and dom0")

    def check_disk_is_there_after_destroy(self):
        equal(self.hashes("second-life"), self.hashes("fill")[:1], "sum of the file")

    def check_disk_features(self):
        self.said["blkfront"].find("flush diskcache: enabled; persistent grants: enabled; "
                                   "indirect descriptors: enabled")
        offered = self.said["blkfront"].find(r'feature-max-indirect-segments = "(\d+)"')
        true(int(offered.group(1)) >= 256, "segments offered: " + offered.group(1))

    def check_block_attach(self):
        equal(self.hashes("block-attach"), self.hashes("images"), "sum of the disk, by guest and dom0")
        self.said["block-attach"].find("^read only$")

    def check_block_detach(self):
        equal(self.said["block-detach"].lines()[0], "xvda", "disks of the guest")
        true("3.img" not in self.said["block-detach"].text, "the loop device is still there")

    def check_ping(self):
        equal(self.said["ping"].text.count(" 0% packet loss"), 2, "peers that answer")

    def check_tcp_dom0_to_guest(self):
        equal(self.hashes("to-g1"), self.hashes("serve")[:1], "sum")

    def check_tcp_guest_to_dom0(self):
        equal(self.hashes("from-g1"), self.hashes("serve")[1:], "sum")

    def check_tcp_guest_to_guest(self):
        equal(self.hashes("g1-to-g2"), self.hashes("serve")[1:], "sum")

    def check_network_attach(self):
        self.said["network-attach"].find(r"\beth1\b")
        self.said["network-attach"].find(r"^1 +0 +00:16:3e:\S+ +1 +4 ")

    def check_network_detach(self):
        equal(self.said["network-detach"].lines()[0].split(), ["eth0", "lo"], "cards of the guest")

    def check_nothing_is_left_in_dom0(self):
        text = self.said["end"].text
        true("loop" not in text and "vif" not in text and "g1" not in text, text)

    def check_hotplug_scripts_say_nothing(self):
        equal(self.said["hotplug-log"].lines(), [], "lines")

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.said["kernel-log"].lines() if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernel's log")
