# SPDX-License-Identifier: MIT
"""The emulated machine: turns options into a QEMU command line.

QEMU starts in a folder of links (hypervisor, vmlinuz, initrd), so that no path of this machine
reaches a command line of the guest and equal runs are equal to the instruction.
"""
import gzip
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

from .cpio import Archive

DISK_DEVICES = {
    "nvme": "nvme,serial=disk{n},drive=d{n}",
    "ahci": "ide-hd,bus=ahci.{port},drive=d{n}",
    "virtio": "virtio-blk-pci,drive=d{n}",
}
NET_DEVICES = {"e1000e": "e1000e", "virtio": "virtio-net-pci", "e1000": "e1000"}


class Error(Exception):
    pass


@dataclass
class Options:
    kernel: str = "build/krypton"
    dom0_kernel: str = "build/dom0/vmlinuz"
    initrd: str = "build/dom0/initrd.gz"
    guests: str = ""  # archive with what guests are made of, put behind the initramfs
    archives: list = field(default_factory=list)  # further ones
    iso: str = ""
    qemu: str = "qemu-system-x86_64"
    machine: str = "pc"
    cpu: str = ""
    cpus: int = 1
    mem: int = 3072
    disks: list = field(default_factory=list)
    nets: list = field(default_factory=list)
    xen_args: str = ""
    dom0_args: str = ""
    default_args: bool = True
    modules: list = None  # [(path, command line)] in place of the dom0 kernel and initrd
    extra: list = field(default_factory=list)  # further QEMU arguments
    files: dict = field(default_factory=dict)  # what the init finds in /kr


def read_image(path):
    with open(path, "rb") as file:
        data = file.read()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def is_krypton(image):
    return b"Krypton" in image


def xen_args(options):
    """Our defaults first: later options of the same name win."""
    if not options.default_args:
        return options.xen_args
    dom0 = min(1024, options.mem // 2)
    return ("console=com1 dom0_mem=%dM " % dom0 + options.xen_args).strip()


def dom0_args(options):
    return ("console=hvc0 quiet " + options.dom0_args).strip() if options.default_args \
        else options.dom0_args


def disk_arguments(disks, machine):
    """DISK entries are FILE or BUS:FILE; a disk is NVMe unless said otherwise."""
    out, ports = [], 0
    for n, disk in enumerate(disks):
        bus, _, path = disk.rpartition(":")
        bus = bus or "nvme"
        if bus not in DISK_DEVICES:
            raise Error("disk %s: no bus '%s', there are %s" % (disk, bus, ", ".join(DISK_DEVICES)))
        if not os.path.exists(path):
            raise Error("disk %s: no such file" % path)
        style = "qcow2" if open(path, "rb").read(4) == b"QFI\xfb" else "raw"
        if bus == "ahci" and ports == 0:
            out += ["-device", "ich9-ahci,id=ahci"]
        out += ["-drive", "if=none,id=d%d,format=%s,file=%s"
                % (n, style, os.path.abspath(path).replace(",", ",,"))]
        out += ["-device", DISK_DEVICES[bus].format(n=n, port=ports)]
        ports += bus == "ahci"
    return out


def net_arguments(nets):
    out = []
    for n, net in enumerate(nets):
        if net not in NET_DEVICES:
            raise Error("no network card '%s', there are %s" % (net, ", ".join(NET_DEVICES)))
        # romfile empty: the boot ROM would only cost time
        out += ["-netdev", "user,id=n%d" % n, "-device", "%s,netdev=n%d,romfile=" % (NET_DEVICES[net], n)]
    return out


def appended_initrd(options):
    """The initramfs with further archives behind it; later files win, the kernel reads all."""
    data = b""
    for path in filter(None, (options.initrd, options.guests, *options.archives)):
        with open(path, "rb") as file:
            data += bytes(-len(data) % 4) + file.read()
    if not options.files:
        return data
    archive = Archive()
    for name, content in options.files.items():
        archive.file("kr/" + name, content if isinstance(content, bytes) else content.encode())
    return data + bytes(-len(data) % 4) + archive.bytes()


def module_argument(modules):
    return ",".join(" ".join(filter(None, (name, text))).replace(",", ",,") for name, text in modules)


class Machine:
    """A folder with the links and the command line; remove() deletes the folder."""

    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="krypton-")
        try:
            self._prepare()
        except OSError as error:
            self.remove()
            raise Error(str(error)) from error

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def _prepare(self):
        options = self.options
        if options.iso:
            os.symlink(os.path.abspath(options.iso), self.path("cd.iso"))
            self.krypton = True
            return
        image = read_image(options.kernel)
        self.krypton = is_krypton(image)
        self._write("hypervisor", image)
        modules = options.modules
        if modules is None:
            self._write("initrd", appended_initrd(options))
            modules = [(options.dom0_kernel, dom0_args(options)), (self.path("initrd"), "")]
        self.modules = []
        for n, (path, text) in enumerate(modules):
            name = ("vmlinuz", "initrd")[n] if n < 2 else "module%d" % n
            if os.path.abspath(path) != self.path(name):
                os.symlink(os.path.abspath(path), self.path(name))
            self.modules.append((name, text))

    def command(self):
        options = self.options
        # QEMU 7.2 mishandles SMAP for PV kernels and Debian's Xen cannot live with that.
        cpu = options.cpu or ("max" if self.krypton else "max,-smap")
        out = [options.qemu, "-accel", "tcg", "-machine", options.machine, "-cpu", cpu,
               "-smp", str(options.cpus), "-m", str(options.mem), "-nodefaults", "-display", "none",
               "-no-reboot", "-serial", "stdio"]
        if options.iso:
            out += ["-boot", "d", "-cdrom", "cd.iso"]
        else:
            out += ["-kernel", "hypervisor", "-append", xen_args(options)]
            if self.modules:
                out += ["-initrd", module_argument(self.modules)]
        return out + disk_arguments(options.disks, options.machine) + \
            net_arguments(options.nets) + options.extra

    def start(self, **streams):
        if not shutil.which(self.options.qemu):
            raise Error("no %s here (tools/deps.sh run)" % self.options.qemu)
        return subprocess.Popen(self.command(), cwd=self.folder, **streams)
