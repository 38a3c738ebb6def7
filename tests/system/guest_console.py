# SPDX-License-Identifier: MIT
"""A person at dom0's shell: the tour of `make run DEMO=1`, then a guest's console typed at, xl top, and
xl create with the console attached."""
import re

from harness import BOOT_S, Scenario, equal, true

PROMPT, GUEST_PROMPT = r"dom0:~# ", r"guest:/# "
LEAVE = b"\x1d"  # Ctrl-]
LINES = 20
TYPED = "".join("line %d of a longer text that is typed quickly\n" % n for n in range(LINES))


class GuestConsole(Scenario):
    TITLE = "guest-console"
    GUESTS = True

    def options(self):
        options = super().options()
        options.files = {"demo": "\n", "terminal": "30 100 vt100\n"}
        return options

    def drive(self, guest):
        guest.marker("shell", BOOT_S)
        start = guest.seen
        guest.expect(PROMPT, 300)
        self.tour = guest.text(start, guest.seen)
        self.attach(guest)
        self.top(guest)
        self.create(guest)
        guest.type("exit\n")

    def answer(self, guest, line, prompt, timeout_s=60):
        """Types a line; what is printed until the next prompt."""
        guest.type(line + "\n")
        start = guest.expect(re.escape(line[-8:]) + r"\r*\n", timeout_s).end()
        match = guest.expect(prompt, timeout_s)
        return guest.text(start, match.start()).strip()

    def attach(self, guest):
        """The tour's guest has a shell on its console by now."""
        guest.type("xl console tour\n")
        guest.type("\n")
        guest.expect(GUEST_PROMPT, 30)
        self.release = self.answer(guest, "hostname; echo $((6 * 7))", GUEST_PROMPT)
        guest.type("cat >/tmp/in\n" + TYPED)
        guest.type(b"\x04")
        guest.expect(GUEST_PROMPT, 60)
        self.arrived = self.answer(guest, "sort -u /tmp/in | wc -l; wc -c </tmp/in", GUEST_PROMPT)
        guest.type("sh -c 'echo is run''ning; exec sleep 1000'\n")
        guest.expect("is running", 30)
        guest.type(b"\x03")
        guest.expect(GUEST_PROMPT, 30)
        self.interrupted = self.answer(guest, "echo $?", GUEST_PROMPT)
        self.left = self.leave(guest)

    def leave(self, guest):
        guest.type(LEAVE)
        guest.expect(PROMPT, 30)
        return self.answer(guest, "hostname; xl list | wc -l", PROMPT)

    def top(self, guest):
        start = guest.seen
        guest.type("xl top\n")
        guest.expect(r"CPU\(sec\)", 30)
        guest.expect(r"tour", 30)
        guest.type("q")
        guest.expect(PROMPT, 30)
        self.top_text = guest.text(start, guest.seen)

    def create(self, guest):
        guest.type("xl create -c /tmp/two.cfg\n")
        start = guest.expect(r"two.cfg\r*\n", 20).end()
        guest.expect(r"guest: up.*\n", 120)
        self.attached = guest.text(start, guest.seen)
        guest.type("shell\n")
        guest.expect(GUEST_PROMPT, 30)
        self.second = self.answer(guest, "echo $((7 * 7))", GUEST_PROMPT)
        self.left_second = self.leave(guest)
        # while it is attached the guest ends: xl console goes with it
        guest.type("xl console two\n")
        guest.type("\n")
        guest.expect(GUEST_PROMPT, 30)
        guest.type("poweroff\n")
        guest.expect(PROMPT, 60)
        self.alone = self.answer(guest, "until ! xl domid two 2>/dev/null; do usleep 200000; done; xl list | wc -l",
                                 PROMPT)

    def in_tour(self, pattern):
        true(re.search(pattern, self.tour, re.M), "no %r in the tour:\n%s" % (pattern, self.tour))

    def check_tour_shows_dom0(self):
        self.in_tour(r"^xen_version +: 4\.17")
        self.in_tour(r"^Domain-0 +0 +1024 +1 +r-----")

    def check_tour_shows_a_guest(self):
        self.in_tour(r"^guest: up, Linux 6\.1\S*, 1 CPU, 1\d\d MiB$")
        self.in_tour(r"^tour +1 +192 +1 +[r-][b-]----")

    def check_tour_shows_its_disk(self):
        self.in_tour(r"blkfront: xvda: ")
        self.in_tour(r"^/dev/xvda .* /mnt$")
        self.in_tour(r"^51712 +0 +1 +4 ")

    def check_tour_shows_its_network(self):
        self.in_tour(r"^2 packets transmitted, 2 packets received, 0% packet loss")
        self.in_tour(r"^0 +0 +00:16:3e:\S+ +0 +4 ")

    def check_tour_shows_xl_top(self):
        self.in_tour(r"^ +NAME +STATE +CPU\(sec\)")
        self.in_tour(r"^ +tour +[-br]{6} .* 196608 ")

    def check_tour_ends_with_a_hint(self):
        self.in_tour(r"^--- 'xl console tour' is its console")
        true("in vain" not in self.tour, self.tour)

    def check_console_comes_back(self):
        equal(self.release.split("\n")[-1], "42", "answer typed for on the guest's console")

    def check_console_takes_a_burst(self):
        equal(self.arrived.split(), [str(LINES), str(len(TYPED))], "lines and bytes that arrived")

    def check_console_control_c(self):
        equal(self.interrupted, "130", "status")

    def check_console_is_left(self):
        equal(self.left.split(), ["dom0", "3"], "host name, lines of xl list")

    def check_top(self):
        true(re.search(r"Domain-0.*tour|tour.*Domain-0", self.top_text, re.S), "not both domains: " + self.top_text)

    def check_create_attaches_at_the_first_byte(self):
        lines = [line for line in self.attached.split("\n") if line.strip() and not line.startswith("(XEN)")]
        equal(lines[0], "Parsing config from /tmp/two.cfg", "first line")
        true(re.match(r"\[ +0\.000000\] Linux version 6\.1", lines[1]), "the console starts with: " + lines[1])

    def check_create_attached_console_comes_back(self):
        equal(self.second, "49", "answer")
        equal(self.left_second.split(), ["dom0", "4"], "host name, lines of xl list")

    def check_console_ends_with_the_guest(self):
        equal(self.alone, "3", "lines of xl list")
