# SPDX-License-Identifier: MIT
"""The few commands of gdb's remote protocol that tests and the benchmark need with QEMU."""
import socket
import time


REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"] + \
    ["r%d" % n for n in range(8, 16)] + ["rip"]


class Error(Exception):
    pass


class Stub:
    """Connects to QEMU started with -S and a gdb server on a socket of the machine's folder."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        for _ in range(600):
            try:
                self._socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.05)
        else:
            raise Error("QEMU's gdb server does not answer")
        self._input = b""

    def close(self):
        self._socket.close()

    def _send(self, text):
        data = text.encode()
        self._socket.sendall(b"$" + data + b"#%02x" % (sum(data) % 256))

    def _receive(self, timeout_s):
        limit = time.monotonic() + timeout_s
        while True:
            start, end = self._input.find(b"$"), self._input.find(b"#")
            if 0 <= start < end and len(self._input) >= end + 3:
                packet, self._input = self._input[start + 1:end], self._input[end + 3:]
                self._socket.sendall(b"+")
                return packet.decode(errors="replace")
            left = limit - time.monotonic()
            if left <= 0:
                raise Error("no answer of QEMU's gdb server within %d s" % timeout_s)
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise Error("QEMU has ended")
            self._input += data

    def command(self, text, timeout_s=10):
        self._send(text)
        while True:
            answer = self._receive(timeout_s)
            if not answer.startswith("T"):  # the stop that a connection makes is told out of turn
                return answer

    def _done(self, answer):
        if answer != "OK":
            raise Error("QEMU's gdb server answers '%s'" % answer)

    def breakpoint(self, address):
        """A hardware breakpoint: needs no byte of the code, which is not loaded yet."""
        self._done(self.command("Z1,%x,1" % address))

    def remove_breakpoint(self, address):
        self._done(self.command("z1,%x,1" % address))

    def run_to_stop(self, timeout_s):
        self._send("c")
        return self._receive(timeout_s)

    def run_on(self):
        """Continues without waiting; QEMU runs free when the connection is closed."""
        self._done(self.command("D"))
        self.close()

    def read(self, address, length):
        answer = self.command("m%x,%x" % (address, length))
        if answer.startswith("E"):
            raise Error("cannot read memory at %#x" % address)
        return bytes.fromhex(answer)

    def write(self, address, data):
        self._done(self.command("M%x,%x:%s" % (address, len(data), data.hex())))

    def set_register(self, name, value):
        # QEMU takes single registers only from a client that has asked for their description
        self.command("qXfer:features:read:target.xml:0,ffb")
        self._done(self.command("P%x=%s" % (REGISTERS.index(name), value.to_bytes(8, "little").hex())))

    def registers(self):
        """rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15, rip: names and values."""
        raw = bytes.fromhex(self.command("g"))
        return {name: int.from_bytes(raw[8 * i:8 * i + 8], "little") for i, name in enumerate(REGISTERS)}
