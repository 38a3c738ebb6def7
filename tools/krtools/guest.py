# SPDX-License-Identifier: MIT
"""A running machine seen through its serial line: wait for text, type, talk to QEMU's monitor."""
import json
import os
import re
import secrets
import selectors
import socket
import subprocess
import time

from .machine import Machine

# The hypervisor's and dom0's receive buffers are small: type no faster than a quick person.
TYPE_CHUNK = 8
TYPE_PAUSE_S = 0.01
CONNECT_S = 30


class Ended(Exception):
    """QEMU ended while something was awaited."""


class Timeout(Exception):
    pass


class Guest:
    def __init__(self, options, on_output=None, monitor=False):
        if options.iso:  # its initramfs is as it is
            self.nonce = options.files.get("nonce", "0").strip()
        else:
            self.nonce = options.files.get("nonce", secrets.token_hex(4)).strip()
            options.files["nonce"] = self.nonce + "\n"
        self.machine = Machine(options)
        self.output = bytearray()  # everything the serial line said
        self.seen = 0              # how far expect() has matched
        self.on_output = on_output
        self._monitor = self._reason = None
        self.events = []
        if monitor:
            options.extra = options.extra + ["-qmp", "unix:monitor,server=on,wait=off"]
        try:
            self.process = self.machine.start(stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                              stderr=subprocess.STDOUT)
        except Exception:
            self.machine.remove()
            raise
        self.started = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)
        if monitor:  # at once: a machine that is ending answers no more
            try:
                self._open_monitor()
            except Exception:
                self.close()
                raise

    def fileno(self):
        return self.process.stdout.fileno()

    def pump(self, timeout_s):
        """Reads what is there, waiting at most timeout_s for it; False at the end of QEMU.

        on_output is called with nothing when the time passes in silence."""
        if not self._selector.select(timeout_s):
            if self.on_output:
                self.on_output(b"")
            return True
        data = os.read(self.fileno(), 65536)
        if not data:
            return False
        self.output += data
        if self.on_output:
            self.on_output(data)
        return True

    def expect(self, pattern, timeout_s):
        """Waits for a regular expression behind the last match; returns the match."""
        if isinstance(pattern, str):
            pattern = pattern.encode()
        limit = time.monotonic() + timeout_s
        alive = True
        while True:
            match = re.compile(pattern, re.M).search(self.output, self.seen)
            if match:
                self.seen = match.end()
                return match
            left = limit - time.monotonic()
            if not alive:
                raise Ended("QEMU ended (status %s) before %r" % (self.wait(5), pattern.decode()))
            if left <= 0:
                raise Timeout("no %r within %d s" % (pattern.decode(), timeout_s))
            alive = self.pump(min(left, 1))

    def marker(self, what, timeout_s):
        return self.expect(r"^@kr %s %s\r*\n" % (self.nonce, what), timeout_s)

    def drain(self, timeout_s):
        """Reads until QEMU ends by itself; returns its status, or None when it did not."""
        limit = time.monotonic() + timeout_s
        while time.monotonic() < limit:
            if not self.pump(0.5):
                return self.wait(5)
        return None

    def rest(self, seconds):
        """Reads on for so long."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and self.pump(max(0, limit - time.monotonic())):
            pass

    def type(self, data):
        if isinstance(data, str):
            data = data.encode()
        for start in range(0, len(data), TYPE_CHUNK):
            try:
                self.process.stdin.write(data[start:start + TYPE_CHUNK])
                self.process.stdin.flush()
            except BrokenPipeError:
                return
            time.sleep(TYPE_PAUSE_S)

    def text(self, start=0, end=None):
        """Serial output as text with plain line ends."""
        return plain(bytes(self.output[start:end]))

    def monitor(self, command, **arguments):
        """One QMP command; "human" monitor commands go through hmp()."""
        request = {"execute": command, "arguments": arguments}
        self._monitor.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            self._event(answer)
            if "error" in answer:
                raise Ended("monitor: %s" % answer["error"].get("desc"))
            if "return" in answer:
                return answer["return"]

    def end_reason(self, timeout_s):
        """Waits for QEMU's end; its word for why: guest-shutdown, guest-reset ... None if it runs on."""
        if self.drain(timeout_s) is None:
            return None
        try:
            for line in self._lines:
                self._event(json.loads(line))
        except ConnectionResetError:  # QEMU is gone; what it said before was read
            pass
        return self._reason

    def wait_event(self, name, timeout_s):
        """Waits for one of QEMU's events; the serial output is read meanwhile."""
        limit = time.monotonic() + timeout_s
        while name not in self.events:
            if time.monotonic() > limit:
                raise Timeout("no %s within %d s" % (name, timeout_s))
            if not self.pump(0.5):
                raise Ended("QEMU ended before %s" % name)
            self.monitor("query-status")
        self.events.remove(name)

    def _event(self, answer):
        if "event" in answer:
            self.events.append(answer["event"])
        if answer.get("event") == "SHUTDOWN":
            self._reason = answer["data"]["reason"]

    def hmp(self, line):
        return self.monitor("human-monitor-command", **{"command-line": line})

    def _open_monitor(self):
        self._monitor = socket.socket(socket.AF_UNIX)
        self._connect()
        self._lines = self._monitor.makefile("rb")
        self._lines.readline()
        self.monitor("qmp_capabilities")

    def _connect(self):
        limit = time.monotonic() + CONNECT_S
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                self._monitor.connect(self.machine.path("monitor"))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.05)
        self.pump(1)
        raise Ended("QEMU's monitor does not answer: " + self.text()[-500:])

    def wait(self, timeout_s):
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._selector.close()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        if self._monitor:
            self._monitor.close()
        self.machine.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def plain(data):
    return re.sub(rb"\r+\n", b"\n", data).decode(errors="replace").replace("\r", "")
