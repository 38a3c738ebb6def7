# SPDX-License-Identifier: MIT
"""The life of a PV guest with Debian's other store, oxenstored, in place of xenstored."""
import re

from guests import XL_CONSOLE
from harness import Scenario, equal, true

PRELUDE = """
. /demo/lib
size() { xl list "$1" | awk 'NR == 2 { print $3 }'; }
has_size() { [ "$(size $1)" = $2 ]; }
has() { tell "$1" "test -e $2"; }
lacks() { tell "$1" "! test -e $2"; }
gone() { ! xl domid "$1"; }
net() { tell g1 'ip addr add 10.9.0.11/24 dev eth0 && ip link set eth0 up && ping -c 2 -w 10 10.9.0.1'; }
"""


class GuestStore(Scenario):
    TITLE = "guest-store"
    STORE = "oxenstored"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        "services": "pidof oxenstored >/dev/null && echo oxenstored; pidof xenstored && echo xenstored",
        "exerciser": "test-xenstore",
        "prepare": "brctl addbr br0 && ip addr add 10.9.0.1/24 dev br0 && ip link set br0 up && "
                   "for n in 1 2; do head -c 4000000 /dev/urandom >/tmp/$n.img && truncate -s 8M /tmp/$n.img; done; "
                   "sha256sum /tmp/1.img /tmp/2.img",
        "create": "config g1 memory=128 maxmem=192 \"disk=['/tmp/1.img,raw,xvda,r']\" \"vif=['bridge=br0']\"; "
                  "start g1; xl list",
        "tree": "xenstore-ls /local/domain/$(xl domid g1)",
        "disk": "tell g1 'sha256sum /dev/xvda'",
        "network": "net",
        "console": XL_CONSOLE,
        "mem-set": "xl mem-set g1 192; await 20 has_size g1 192; size g1; xl mem-set g1 112; "
                   "await 20 has_size g1 112; size g1",
        "block-attach": "xl block-attach g1 /tmp/2.img,raw,xvdb,r && await 10 has g1 /dev/xvdb; "
                        "tell g1 'sha256sum /dev/xvdb'",
        "block-detach": "xl block-detach g1 xvdb && await 10 lacks g1 /dev/xvdb && echo gone",
        "network-attach": "xl network-attach g1 bridge=br0 && await 10 has g1 /sys/class/net/eth1 && echo there",
        "network-detach": "xl network-detach g1 1 && await 10 lacks g1 /sys/class/net/eth1 && echo gone",
        "reboot": "from=$(log_size g1); xl reboot g1; await 90 said_up $from g1; xl domid g1; "
                  "tell g1 'sha256sum /dev/xvda'; net",
        "rename": "xl rename g1 other && xl domid other; xl rename other g1",
        "pause": "xl pause g1; xl list g1; xl unpause g1",
        "shutdown": "xl shutdown -w g1; await 60 gone g1 && echo gone",
        "destroy": "xl create -q -p /tmp/g1.cfg; xl list g1; xl destroy g1; gone g1 && echo gone",
        "left": "await 30 alone; xenstore-list /local/domain; xenstore-list /vm; losetup -a; ls /sys/class/net",
        "kernel-log": "dmesg",
    }

    def row(self, key):
        return [line.split() for line in self.words(key) if line.startswith("g1 ")][0]

    def hashes(self, key):
        return re.findall(r"\b[0-9a-f]{64}\b", self.said[key].text)

    def check_store_is_the_other_one(self):
        equal(self.words("services"), ["oxenstored"], "services")
        equal([line for line in self.console.split("\n") if line.startswith("dom0: FAILED")], [], "lines of init")

    def check_store_exerciser(self):
        equal(self.said["exerciser"].status, 0, "status")
        self.said["exerciser"].find(r"ta rmw x")

    def check_create(self):
        equal(self.row("create")[1:4], ["1", "128", "1"], "ID, MiB, vCPUs")

    def check_tree(self):
        said = self.said["tree"]
        said.find(r'^name = "g1"$')
        said.find(r'^ target = "131072"$')
        said.find(r'^  51712 = ""$')
        said.find(r'^ port = "\d+"$')

    def check_disk(self):
        equal(self.hashes("disk"), self.hashes("prepare")[:1], "sum")

    def check_network(self):
        self.said["network"].find(r" 0% packet loss")

    def check_console(self):
        equal(self.words("console").count("I say 42"), 2, "answers, of tell and of xl console,")

    def check_balloon(self):
        equal(self.words("mem-set"), ["192", "112"], "MiB")

    def check_block_attach(self):
        equal(self.hashes("block-attach"), self.hashes("prepare")[1:], "sum")

    def check_block_detach(self):
        equal(self.words("block-detach")[-1], "gone", "the disk")

    def check_network_attach(self):
        equal(self.words("network-attach")[-1], "there", "the card")

    def check_network_detach(self):
        equal(self.words("network-detach")[-1], "gone", "the card")

    def check_reboot(self):
        true("2" in self.words("reboot"), "domain ID: %s" % self.words("reboot"))
        equal(self.hashes("reboot"), self.hashes("prepare")[:1], "sum")
        self.said["reboot"].find(r" 0% packet loss")

    def check_rename(self):
        equal(self.words("rename"), ["2"], "ID of the new name")

    def check_pause(self):
        true(self.row("pause")[4] in ("--p---", "-bp---"), "state: %s" % self.row("pause"))

    def check_shutdown(self):
        equal(self.words("shutdown")[-1], "gone", "after xl shutdown")

    def check_destroy(self):
        equal(self.row("destroy")[1], "3", "domain ID")
        equal(self.words("destroy")[-1], "gone", "after xl destroy")

    def check_nothing_is_left(self):
        lines = self.words("left")
        equal([line for line in lines if line.isdigit()], ["0"], "domains in the store")
        true("loop" not in " ".join(lines) and "vif" not in " ".join(lines), "left: %s" % lines)

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.words("kernel-log") if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernel's log")
