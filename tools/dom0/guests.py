# SPDX-License-Identifier: MIT
"""What dom0 makes guests of: an archive to put behind dom0's initramfs.

/guest/vmlinuz is Debian's kernel as shipped. /guest/vmlinuz-gz is the same with its payload packed by
gzip, which the domain builder unpacks in a tenth of the time: that counts where the CPU is emulated.
/guest/initrd is a small initramfs for guests, not packed for the same reason. /demo has what a person
may try, and lib, shell functions that create guests and talk to them over their consoles.
/guest/driver is what turns dom0's own initramfs into that of a driver domain, /guest/grub.bin Debian's
GRUB as a guest's kernel. LVM and mke2fs are for dom0 itself, which makes disks for guests.
"""
import os

from krtools import bzimage, debian, rootfs
from krtools.cpio import Archive

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ["busybox-static", "e2fsprogs"]
PROGRAMS = {"bin/busybox", "sbin/mke2fs", "sbin/e2fsck", "sbin/resize2fs"}
DOM0_PACKAGES = ["lvm2", "e2fsprogs", "grub-xen-host"]
DOM0_PROGRAMS = {"sbin/lvm", "sbin/mke2fs"}
GRUB = "usr/lib/grub-xen/grub-x86_64-xen.bin"
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


def add_dom0_tools(out, debs, dom0):
    rootfs.add_packages(out, debs, DOM0_PACKAGES, lambda path: path in DOM0_PROGRAMS, present=dom0)
    out.file("etc/lvm/lvm.conf", read("lvm.conf"))
    for path, _, data in debian.files(debs["grub-xen-host"], lambda path: path == GRUB):
        out.file("guest/grub.bin", data)


def archive(debs, kernel, release, modules, dom0):
    """`dom0`: the archive behind which this one is put."""
    out = Archive()
    add_dom0_tools(out, debs, dom0)
    out.file("guest/vmlinuz", kernel)
    out.file("guest/vmlinuz-gz", bzimage.repack(kernel, "gzip"))
    out.file("guest/initrd", guest_initramfs(debs, release, modules))
    out.file("guest/driver/init", read("guest-init"), 0o755)
    out.file("guest/driver/services", read("driver-services"))
    for name in sorted(os.listdir(os.path.join(HERE, "demo"))):
        out.file("demo/" + name, read("demo", name), 0o755)
    return out
