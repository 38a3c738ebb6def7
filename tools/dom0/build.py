#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the dom0 image from Debian's packages: vmlinuz, initrd.gz and guests.cpio of build/dom0.

The kernel is Debian's current one, exactly as shipped. The initramfs holds busybox, Debian's Xen
4.17 tools with the libraries they name, bash for their scripts, the kernel modules that dom0, the
emulator's devices and the guests' back ends need, and our init. guests.cpio is for putting behind it:
what guests are made of (guests.py). Nothing is installed on this machine; same packages, same bytes.
"""
import argparse
import gzip
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import guests  # noqa: E402
from krtools import debian, rootfs  # noqa: E402
from krtools.cpio import Archive  # noqa: E402

XEN_BIN = "usr/lib/xen-4.17/bin/"
KERNEL_PACKAGE = "linux-image-amd64"  # depends on the current kernel's package
TOOL_PACKAGES = ["busybox-static", "xen-utils-4.17", "xen-utils-common", "xenstore-utils", "bash", "util-linux"]
# Libraries that programs load by name at run time: libgcc_s cancels xl's threads.
EXTRA_PACKAGES = ["libgcc-s1", "ncurses-base"]
EXTRA_LIBRARIES = ["libgcc_s.so.1"]
TERMINALS = ["linux", "vt100", "vt220", "xterm"]
# The OCaml store, a second implementation of what xenstored does, is with what guests are made of.
SECOND_STORE = {XEN_BIN + "oxenstored": 0o755, "etc/xen/oxenstored.conf": 0o644}
LEFT_OUT = {"oxenstored", "xenalyze", "xen-kdd", "xenpaging", "xen-access", "init-xenstore-domain"}
ETC = {"etc/xen/xl.conf"}
# Of what Debian's hotplug scripts call, busybox lacks this; the rest of its package is busybox's.
UTIL_LINUX = {"usr/bin/flock"}

MODULES = """
    xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs xen-acpi-processor
    xen-blkback xen-netback bridge loop dm-mod xen-blkfront xen-netfront
    nvme ahci sd_mod virtio_pci virtio_blk virtio_net e1000e e1000
""".split()


def say(text):
    print("dom0 image: " + text, file=sys.stderr, flush=True)


def wanted_dependency(name):
    return name.startswith("lib") or name == "zlib1g"


def wanted_tool(path):
    name = path.rsplit("/", 1)[-1]
    if path.startswith(XEN_BIN):
        return name not in LEFT_OUT
    return (path.startswith(("usr/bin/", "usr/sbin/", "bin/", "usr/lib/xen-common/bin/"))
            or path in ETC or path.startswith("etc/xen/scripts/"))


def wanted_terminal(path):
    return path.rsplit("/", 1)[-1] in TERMINALS and "/terminfo/" in path


def add_frame(archive):
    rootfs.add_merged_usr(archive)
    for path in ("proc", "sys", "dev", "run", "tmp", "root", "mnt", "var/log/xen/console", "var/lib/xen/dump",
                 "var/lib/xenstored", "var/cache", "etc/xen/auto"):
        archive.directory(path)
    archive.symlink("var/run", "/run")
    archive.symlink("var/lock", "/run/lock")
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    archive.file("etc/hosts", b"127.0.0.1 localhost dom0\n")
    archive.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files\n")
    for name, path, mode in (("init", "init", 0o755), ("profile", "etc/profile", 0o644)):
        with open(os.path.join(HERE, name), "rb") as file:
            archive.file(path, file.read(), mode)


def replace(path, data):
    """A reader sees the old file or the new one, never half of one."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)


def image(debs, release, modules):
    """The initramfs and the number of its modules."""
    archive = Archive()
    add_frame(archive)
    one = debs.pop("util-linux")
    rootfs.add_packages(archive, debs, TOOL_PACKAGES, wanted_tool, wanted_terminal, EXTRA_LIBRARIES)
    for path, member, data in debian.files(one, lambda path: path in UTIL_LINUX):
        archive.file(path, data, 0o755)
    rootfs.add_busybox(archive)
    return archive, rootfs.add_modules(archive, release, modules, MODULES)


def build(out):
    os.makedirs(out, exist_ok=True)
    say("asking apt for Debian's kernel and Xen tools")
    tools = debian.closure(TOOL_PACKAGES + EXTRA_PACKAGES, wanted_dependency)
    inside = debian.closure(guests.PACKAGES + guests.DOM0_PACKAGES, wanted_dependency)
    kernel_package = next(name for name in debian.depends([KERNEL_PACKAGE])[KERNEL_PACKAGE]
                          if name.startswith("linux-image-"))
    wanted = sorted({*tools, *inside, kernel_package})
    say("fetching %d packages" % len(wanted))
    debs = debian.fetch(wanted)
    say("reading " + os.path.basename(debs[kernel_package]))
    kernel, release, modules = rootfs.read_modules(debs[kernel_package])
    archive, count = image({name: debs[name] for name in tools}, release, modules)
    raw = archive.bytes()
    packed = gzip.compress(raw, 9, mtime=0)
    replace(os.path.join(out, "vmlinuz"), kernel)
    replace(os.path.join(out, "initrd.gz"), packed)
    replace(os.path.join(out, "release"), (release + "\n").encode())
    say("kernel %s, %d modules, %d files, %.1f MB (%.1f MB packed)"
        % (release, count, len(archive.paths()), len(raw) / 1e6, len(packed) / 1e6))
    parts = guests.archive({name: debs[name] for name in inside}, kernel, release, modules, archive)
    for package in ("xen-utils-4.17", "xen-utils-common"):
        for path, _, data in debian.files(debs[package], lambda path: path in SECOND_STORE):
            parts.file(path, data, SECOND_STORE[path])
    replace(os.path.join(out, "guests.cpio"), parts.bytes())
    say("for guests: %.1f MB" % (len(parts.bytes()) / 1e6))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="build/dom0")
    try:
        build(parser.parse_args().out)
    except (debian.Error, OSError) as error:
        sys.exit("dom0 image: %s" % error)


if __name__ == "__main__":
    main()
