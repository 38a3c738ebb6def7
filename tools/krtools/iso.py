# SPDX-License-Identifier: MIT
"""GRUB CD images: one menu entry for each Multiboot version, both boot the same dom0."""
import os
import shutil
import subprocess
import tempfile

from .machine import Error, appended_initrd, dom0_args, read_image, xen_args

ENTRIES = ("multiboot2", "multiboot")
CONFIG = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout={timeout}
set default={default}
{entries}"""
# --nounzip: GRUB would unpack the first archive of the initramfs and drop the second.
ENTRY = """\
menuentry "{title}" {{
    echo "Loading {title} ..."
    {command} /boot/hypervisor {xen}
    {module} /boot/vmlinuz {dom0}
    {module} --nounzip /boot/initrd.gz
}}
"""


def config(options, entry, timeout):
    # GRUB 2's multiboot passes the arguments alone, as Xen and we expect of it.
    entries = "".join(ENTRY.format(
        title="Krypton with Debian dom0 (%s)" % name, command=name,
        module="module2" if name == "multiboot2" else "module", xen=xen_args(options),
        dom0=dom0_args(options)) for name in ENTRIES)
    return CONFIG.format(timeout=timeout, default=ENTRIES.index(entry), entries=entries)


def build(options, out, entry="multiboot2", timeout=1):
    if not shutil.which("grub-mkrescue"):
        raise Error("no grub-mkrescue here (tools/deps.sh iso)")
    folder = tempfile.mkdtemp(prefix="krypton-iso-")
    try:
        boot = os.path.join(folder, "boot")
        os.makedirs(os.path.join(boot, "grub"))
        write(os.path.join(boot, "hypervisor"), read_image(options.kernel))
        shutil.copy(options.dom0_kernel, os.path.join(boot, "vmlinuz"))
        write(os.path.join(boot, "initrd.gz"), appended_initrd(options))
        write(os.path.join(boot, "grub", "grub.cfg"), config(options, entry, timeout).encode())
        run = subprocess.run(
            ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", out + ".new", folder,
             "--install-modules=multiboot multiboot2 serial terminal iso9660 biosdisk normal echo gzio",
             "--locales=", "--fonts=", "--themes="],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if run.returncode:
            raise Error("grub-mkrescue: " + run.stdout.strip())
        os.replace(out + ".new", out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
