# SPDX-License-Identifier: MIT
"""What dom0 makes guests of: an archive to put behind dom0's initramfs.

/guest/vmlinuz is Debian's kernel as shipped. /guest/vmlinuz-gz is the same with its payload packed by
gzip, which the domain builder unpacks in a tenth of the time: that counts where the CPU is emulated.
/guest/initrd is a small initramfs for guests, not packed for the same reason. /demo has what a person
may try, and lib, shell functions that create guests and talk to them over their consoles.
"""
import os

from krtools import bzimage, rootfs
from krtools.cpio import Archive

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ["busybox-static", "e2fsprogs"]
PROGRAMS = {"bin/busybox", "sbin/mke2fs", "sbin/e2fsck"}
# jbd2 asks the crypto layer for the last one by name
MODULES = ["xen-blkfront", "xen-netfront", "ext4", "crc32c_generic"]
FOLDERS = ("proc", "sys", "dev", "tmp", "mnt")


def read(*path):
    with open(os.path.join(HERE, *path), "rb") as file:
        return file.read()


def guest_initramfs(debs, release, modules):
    archive = Archive()
    rootfs.add_merged_usr(archive)
    for path in FOLDERS:
        archive.directory(path)
    # before busybox's links: those of these names end the machine by way of an init that is none
    archive.file("usr/sbin/poweroff", b"#!/bin/sh\nsync\nexec busybox poweroff -f\n", 0o755)
    archive.file("usr/sbin/reboot", b"#!/bin/sh\nsync\nexec busybox reboot -f\n", 0o755)
    archive.symlink("usr/sbin/modprobe", "../bin/busybox")  # where the kernel looks for it
    rootfs.add_packages(archive, debs, PACKAGES, lambda path: path in PROGRAMS)
    rootfs.add_busybox(archive)
    rootfs.add_modules(archive, release, modules, MODULES)
    archive.file("init", read("guest-init"), 0o755)
    return archive.bytes()


def archive(debs, kernel, release, modules):
    out = Archive()
    out.file("guest/vmlinuz", kernel)
    out.file("guest/vmlinuz-gz", bzimage.repack(kernel, "gzip"))
    out.file("guest/initrd", guest_initramfs(debs, release, modules))
    for name in sorted(os.listdir(os.path.join(HERE, "demo"))):
        out.file("demo/" + name, read("demo", name), 0o755)
    return out
