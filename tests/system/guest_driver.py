# SPDX-License-Identifier: MIT
"""A driver domain: disk and network of a guest are served from another guest by xl devd, which is killed
and started again while its client lives. Its disk is dom0's, so that what the client wrote is there again.
"""
import re

from harness import Failure, Scenario, equal, true

DISK_MIB, FILE_MIB, SENT_BYTES = 32, 8, 2_000_000
PRELUDE = """
. /demo/lib
has() { tell "$1" "test -e $2"; }
lacks() { tell "$1" "! test -e $2"; }
no_backend() { ! xenstore-exists "/local/domain/$1"; }
driver() { # starts it and makes its bridge
    start drv || return
    tell drv 'brctl addbr br0 && ip addr add 10.9.0.1/24 dev br0 && ip link set br0 up && pidof xl'
}
state() { xenstore-read "/local/domain/$(xl domid c)/device/$1/state"; }
# Waits for xl devd's scripts, with the driver domain's ID; they fork a lot, so what asks must cost little.
has_disk() { xenstore-exists "/local/domain/$1/backend/vbd/2/51712/physical-device-path"; }
has_card() { [ "$(xenstore-read "/local/domain/$1/backend/vif/2/0/hotplug-status")" = connected ]; }
net_up() { tell c 'ip addr add 10.9.0.11/24 dev eth0 && ip link set eth0 up'; }
"""
DISK = "backend=drv,vdev=xvda,format=raw,access=rw,target=/dev/xvda"
VIF = "backend=drv,bridge=br0,mac=00:16:3e:01:02:03"
FILL = ("/sbin/mke2fs -q -t ext4 /dev/xvda && mount -t ext4 /dev/xvda /mnt && "
        "dd if=/dev/urandom of=/mnt/f bs=1M count=%d 2>/dev/null && sha256sum /mnt/f && umount /mnt && "
        "sync; sha256sum /dev/xvda" % FILE_MIB)
SERVE = "head -c %d /dev/urandom >/tmp/%s; sha256sum /tmp/%s; httpd -p 80 -h /tmp"
GET = "wget -q -O - http://%s/%s | sha256sum"


class GuestDriver(Scenario):
    TITLE = "guest-driver"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        "image": "driver_initrd && truncate -s %dM /tmp/d.img && ls -l /tmp/driver.cpio" % DISK_MIB,
        "driver": "config drv \"ramdisk='/tmp/driver.cpio'\" \"driver_domain=1\" memory=256 "
                  "\"disk=['/tmp/d.img,raw,xvda,rw']\" && driver",
        "client": "config c \"disk=['%s']\" \"vif=['%s']\" memory=128 && xl create -qp /tmp/c.cfg && "
                  "await 60 has_disk 1 && await 60 has_card 1 && xl unpause c && await 60 said_up 0 c && net_up"
                  % (DISK, VIF),
        "lists": "xl block-list c; xl network-list c; tell drv 'ls /sys/class/net/br0/brif'; losetup -a",
        "fill": "tell c '%s'; tell drv 'sha256sum /dev/xvda'; sha256sum /tmp/d.img" % FILL,
        "serve": "tell drv '%s'; tell c '%s'" % (SERVE % (SENT_BYTES, "dd", "dd"),
                                                 SERVE % (SENT_BYTES, "dc", "dc")),
        "to-client": "tell c '%s'" % GET % ("10.9.0.1", "dd"),
        "from-client": "tell drv '%s'" % GET % ("10.9.0.11", "dc"),
        "kill": "xl destroy drv; await 10 no_backend 1; xl list; tell c 'echo still here; ls /sys/block | grep xvd'",
        "stale": "for n in vbd/51712 vif/0; do echo $n $(state $n); done; xl block-list c; xl network-list c",
        "detach": "xl block-detach c xvda; xl network-detach c 0; "
                  "await 10 lacks c /dev/xvda && await 10 lacks c /sys/class/net/eth0 && echo detached",
        "driver-again": "driver",
        "attach": "xl block-attach c '%s' && await 60 has_disk 3 && await 20 has c /dev/xvda && "
                  "xl network-attach c %s && await 60 has_card 3 && await 20 has c /sys/class/net/eth0 && net_up"
                  % (DISK, VIF.replace(",", " ")),
        "again": "tell c 'sha256sum /dev/xvda; mount -t ext4 -o ro /dev/xvda /mnt && sha256sum /mnt/f; umount /mnt'",
        "to-client-again": "tell drv '%s'; tell c '%s'" % (SERVE % (SENT_BYTES, "de", "de"),
                                                           GET % ("10.9.0.1", "de")),
        "from-client-again": "tell drv '%s'" % GET % ("10.9.0.11", "dc"),
        "logs": "tell drv dmesg; tell c dmesg; dmesg",
        "end": "xl destroy c; xl destroy drv; await 30 alone; xl list; losetup -a",
    }

    def hashes(self, key):
        return re.findall(r"\b[0-9a-f]{64}\b", self.said[key].text)

    def check_driver_and_client_start(self):
        for key in ("image", "driver", "client"):
            if self.said[key].status:
                raise Failure("%s: %s" % (key, self.said[key].text))
        true(self.words("driver")[-1].isdigit(), "no xl devd in the driver domain: %s" % self.words("driver"))

    def check_back_ends_are_in_the_driver_domain(self):
        said = self.said["lists"]
        said.find(r"^51712 +1 +2 +4 +\d+ +\d+ +/local/domain/1/backend/vbd/2/51712")
        said.find(r"^0 +1 +00:16:3e:01:02:03 +0 +4 .*/local/domain/1/backend/vif/2/0")
        said.find(r"^vif2\.0")
        equal(said.text.count("/dev/loop"), 1, "loop devices in dom0: the driver domain's")

    def check_disk_reaches_dom0_through_the_driver_domain(self):
        found = self.hashes("fill")
        equal(len(found), 4, "sums in: " + self.said["fill"].text)
        equal(found[2:], [found[1]] * 2, "sums by the driver domain and by dom0")

    def check_tcp_both_ways(self):
        served = self.hashes("serve")
        equal(self.hashes("to-client") + self.hashes("from-client"), served, "sums")

    def check_client_outlives_the_driver_domain(self):
        lines = self.words("kill")
        true(not any(line.startswith("drv ") for line in lines), "the driver domain is there: %s" % lines)
        equal(lines[-2:], ["still here", "xvda"], "the client's words")
        equal(self.words("stale")[:2], ["vbd/51712 4", "vif/0 4"], "states of its devices")

    def check_dead_devices_can_be_detached(self):
        equal(self.words("detach")[-1], "detached", "last word")

    def check_devices_come_back(self):
        equal((self.said["driver-again"].status, self.said["attach"].status), (0, 0), "statuses")
        found = self.hashes("fill")
        equal(self.hashes("again"), [found[1], found[0]], "sums of disk and file")
        equal(self.hashes("from-client-again"), self.hashes("from-client"), "sum")
        sums = self.hashes("to-client-again")
        equal((len(sums), sums[-1:]), (2, sums[:1]), "sum")

    def check_nothing_is_left(self):
        lines = self.words("end")
        true(not any("loop" in line or line.startswith(("c ", "drv ")) for line in lines), "%s" % lines)

    def check_kernel_logs_are_clean(self):
        bad = [line for line in self.words("logs") if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernels' logs")
