# SPDX-License-Identifier: MIT
"""The serial console: a shell typed at, input switched with Ctrl-A, debug keys, reboot."""
import re

from harness import BOOT_S, Failure, Scenario, equal, true

SWITCH = b"\x01\x01\x01"
# The pages that issue reports are made of: key, what Xen and we both say in them.
KEYS = [
    (b"d", "registers", r"(?i)\brip\b.*[0-9a-f]{8}"),
    (b"q", "domains", r"(?i)dom(ain)?[ -]?0|d0"),
    (b"e", "event_channels", r"(?i)event channel|port|evtchn"),
    (b"g", "grants", r"(?i)grant"),
    (b"m", "memory", r"(?i)\d+.*(pages|heap|KiB|MiB|kB)|mem"),
    (b"a", "timers", r"(?i)timer"),
    (b"r", "run_queues", r"(?i)run ?queue|sched"),
    (b"0", "dom0_registers", r"(?i)\brip\b.*[0-9a-f]{8}"),
    (b"i", "interrupts", r"(?i)irq"),
]


class Console(Scenario):
    TITLE = "console"
    XEN_ARGS = "loglvl=all guest_loglvl=all"

    def options(self):
        options = super().options()
        options.files = {}  # a shell in place of a command
        return options

    def drive(self, guest):
        self.pages = {}
        guest.marker("shell", BOOT_S)
        guest.expect(r"dom0:~# ", 20)
        self.typed = self.answer(guest, "echo $((6 * 7))")
        self.long = self.answer(guest, "echo %s | wc -c" % ("x" * 200))
        self.burst = self.burst_of_input(guest)
        self.interrupt = self.control_c(guest)
        self.switched = self.switch(guest, r"(?i)input (is )?(now )?(to|goes to) .*(xen|krypton|hypervisor)")
        self.pages["help"] = self.help_page(guest)
        for key, name, _ in KEYS:
            self.pages[name] = self.press(guest, key)
        self.unknown = self.press(guest, b"\x05")
        self.back = self.switch(guest, r"(?i)input (is )?(now )?(to|goes to) .*dom(0|ain.?0)")
        guest.type("\n")
        guest.expect(r"dom0:~# ", 20)
        self.after = self.answer(guest, "echo $((7 * 7))")
        self.log = self.answer(guest, "xl dmesg | tail -n 400")
        guest.type("reboot -f\n")

    def answer(self, guest, line):
        """Types a line; what the shell prints until its next prompt."""
        guest.type(line + "\n")
        start = guest.expect(re.escape(line[-8:]) + r"\r*\n", 20).end()
        match = guest.expect(r"dom0:~# ", 30)
        return guest.text(start, match.start()).strip()

    def burst_of_input(self, guest):
        guest.type("cat >/tmp/in\n")
        for n in range(20):
            guest.type("line %d of a longer text that is typed quickly\n" % n)
        guest.type(b"\x04")
        guest.expect(r"dom0:~# ", 30)
        return self.answer(guest, "sha256sum </tmp/in; wc -l </tmp/in")

    def control_c(self, guest):
        guest.type("sh -c 'echo is run''ning; exec sleep 1000'\n")
        guest.expect("is running", 20)
        guest.type(b"\x03")
        guest.expect(r"dom0:~# ", 20)
        return self.answer(guest, "echo $?")

    def switch(self, guest, pattern):
        guest.type(SWITCH)
        match = guest.expect(pattern, 20)
        return match.group().decode()

    def press(self, guest, key):
        """A debug key's page: what comes between two help pages, without the lines of those."""
        start = guest.seen
        guest.type(key)
        guest.rest(1.0)
        guest.type(b"h")
        end = guest.expect(r"'h' pressed -> .*\n", 60).start()
        return "\n".join(line for line in guest.text(start, end).split("\n")
                         if not re.search(r" key '.'", line))

    def help_page(self, guest):
        guest.type(b"h")
        start = guest.expect(r"'h' pressed -> .*\n", 30).end()
        guest.type(b"h")
        return guest.text(start, guest.expect(r"'h' pressed -> .*\n", 30).start())

    def check_typed_command(self):
        equal(self.typed, "42", "answer")

    def check_long_line(self):
        equal(self.long, "201", "characters")

    def check_burst_of_lines(self):
        equal(self.burst.split("\n")[-1].strip(), "20", "lines that arrived")

    def check_control_c(self):
        equal(self.interrupt, "130", "status")

    def check_input_switches_and_back(self):
        true(self.switched and self.back, "no word of the switch")
        equal(self.after, "49", "answer after switching back")

    def check_help_lists_keys(self):
        for key in (b"h", b"d", b"q", b"e", b"g", b"m", b"a", b"R"):
            true(re.search(r"['\" ]%s['\" ]" % key.decode(), self.pages["help"]),
                 "the help page lacks key %s" % key.decode())

    def check_unknown_key_does_no_harm(self):
        true(len(self.unknown) < 500, "it says much: " + self.unknown)

    def check_pages_also_reach_the_ring(self):
        true(re.search(r"'h' pressed", self.log), "no debug key in xl dmesg")

    def check_log_level_all_shows_more(self):
        true(re.search(r"loglvl=all", self.console), "loglvl=all not in the log")

    def check_reboot(self):
        equal(self.reason, "guest-reset", "end of the machine")


def _page_check(name, pattern):
    def check(self):
        if not re.search(pattern, self.pages[name]):
            raise Failure("no %r in:\n%s" % (pattern, self.pages[name][:600]))
    return check


for _key, _name, _pattern in KEYS:
    setattr(Console, "check_page_" + _name, _page_check(_name, _pattern))


class RebootKey(Scenario):
    """Debug key R, and the console ring as xl dmesg -c leaves it."""
    TITLE = "reboot-key"
    SCRIPT = {
        "cleared": "xl dmesg -c >/dev/null; xl dmesg | wc -c; xl debug-keys q; xl dmesg | wc -l",
        "reboot": "xl debug-keys R; sleep 20",
    }

    def drive(self, guest):
        guest.marker("begin", BOOT_S)
        self.start = guest.seen

    def keep(self, guest):
        super().keep(guest)
        self.text = guest.text(self.start) if hasattr(self, "start") else ""

    def check_ring_is_empty_after_clearing(self):
        lines = [line for line in self.text.split("\n") if line.isdigit()]
        equal(lines[:1], ["0"], "bytes left")
        true(int(lines[1]) > 0, "a page of debug key q left nothing in the ring")

    def check_reboots(self):
        equal(self.reason, "guest-reset", "end of the machine")
