#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the dom0 image from Debian's packages: build/dom0/vmlinuz and build/dom0/initrd.gz.

The kernel is Debian's current one, exactly as shipped. The initramfs holds busybox, Debian's Xen
4.17 tools with the libraries they name, the kernel modules that dom0 and the emulator's devices
need, and our init. Nothing is installed on this machine; same packages, same bytes.
"""
import argparse
import gzip
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from krtools import debian  # noqa: E402
from krtools.cpio import Archive  # noqa: E402
from krtools.elf import Elf, is_elf  # noqa: E402

XEN_BIN = "usr/lib/xen-4.17/bin/"
KERNEL_PACKAGE = "linux-image-amd64"  # depends on the current kernel's package
TOOL_PACKAGES = ["busybox-static", "xen-utils-4.17", "xen-utils-common", "xenstore-utils"]
# Libraries that programs load by name at run time: libgcc_s cancels xl's threads.
EXTRA_PACKAGES = ["libgcc-s1", "ncurses-base"]
EXTRA_LIBRARIES = ["libgcc_s.so.1"]
TERMINALS = ["linux", "vt100", "vt220", "xterm"]
# The OCaml store is a second implementation of what xenstored does; 2 MB.
LEFT_OUT = {"oxenstored", "xenalyze", "xen-kdd", "xenpaging", "xen-access", "init-xenstore-domain"}
ETC = {"etc/xen/xl.conf"}

MODULES = """
    xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs xen-acpi-processor
    nvme ahci sd_mod virtio_pci virtio_blk virtio_net e1000e e1000
""".split()

# Debian's /usr is merged: one tree, with links at the top.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def say(text):
    print("dom0 image: " + text, file=sys.stderr, flush=True)


def merged(path):
    top, _, rest = path.partition("/")
    return MERGED[top] + "/" + rest if top in MERGED else path


def wanted_dependency(name):
    return name.startswith("lib") or name == "zlib1g"


def wanted_tool(path):
    name = path.rsplit("/", 1)[-1]
    if path.startswith(XEN_BIN):
        return name not in LEFT_OUT
    return (path.startswith(("usr/bin/", "usr/sbin/", "bin/", "usr/lib/xen-common/bin/"))
            or path in ETC or path.startswith("etc/xen/scripts/"))


def wanted_library(path):
    path = merged(path)
    return path.startswith(("usr/lib/x86_64-linux-gnu/", "usr/lib64/")) and ".so" in path \
        and path.count("/") <= 3


def wanted_terminal(path):
    return path.rsplit("/", 1)[-1] in TERMINALS and "/terminfo/" in path


def read_modules(deb):
    """The kernel image, its release and every module's content by name."""
    kernel, release, modules = None, None, {}
    for path, member, data in debian.files(deb, lambda p: p.startswith("boot/vmlinuz-")
                                           or p.endswith(".ko")):
        if path.startswith("boot/"):
            kernel, release = data, path.split("vmlinuz-")[1]
        else:
            modules[module_name(path)] = (path, data)
    if kernel is None:
        raise debian.Error("no kernel in " + deb)
    return kernel, release, modules


def module_name(path):
    return os.path.basename(path).removesuffix(".ko").replace("-", "_")


def add_modules(archive, release, modules):
    """Adds MODULES and what they depend on, with the tables modprobe reads."""
    folder, closure, queue = "usr/lib/modules/%s/" % release, {}, [m.replace("-", "_") for m in MODULES]
    aliases = []
    while queue:
        name = queue.pop()
        if name in closure:
            continue
        if name not in modules:
            raise debian.Error("the kernel package has no module " + name)
        info = Elf(modules[name][1]).modinfo()
        needs = [n.replace("-", "_") for key, value in info if key == "depends"
                 for n in value.split(",") if n]
        needs += [n for n in soft_needs(info) if n in modules]
        aliases += ["alias %s %s\n" % (value, name) for key, value in info if key == "alias"]
        closure[name] = needs
        queue += needs

    def load_order(name, order):
        for need in closure[name]:
            if need not in order:
                load_order(need, order)
                order.append(need)
        return order

    place = {name: "kernel/" + os.path.basename(modules[name][0]) for name in closure}
    # modprobe loads what a line names from its end
    lines = ["%s: %s\n" % (place[n], " ".join(place[d] for d in reversed(load_order(n, [])))) for n in sorted(closure)]
    for name in closure:
        archive.file(folder + place[name], modules[name][1])
    archive.file(folder + "modules.dep", "".join(lines).encode())
    archive.file(folder + "modules.alias", "".join(sorted(aliases)).encode())
    return len(closure)


def soft_needs(info):
    """Modules a module wants loaded before it, by the "softdep: pre:" lines."""
    for key, value in info:
        if key == "softdep" and "pre:" in value:
            yield from (n.replace("-", "_") for n in
                        value.split("pre:")[1].split("post:")[0].split())


def add_tools(archive, debs):
    """Adds programs and then, until nothing is missing, the libraries they name."""
    programs, libraries, links = [], {}, {}
    for package in sorted(debs):
        for path, member, data in debian.files(debs[package], lambda p: wanted_tool(p)
                                               or wanted_library(p) or wanted_terminal(p)):
            path = merged(path)
            if member.issym() or member.islnk():
                target = member.linkname if member.issym() else "/" + member.linkname.lstrip("./")
                links.setdefault(path, target)
            elif wanted_library(path):
                libraries[path] = data
            elif wanted_terminal(path):
                archive.file(path, data)
            elif package in TOOL_PACKAGES:
                programs.append((path, member.mode & 0o777, data))
    for path, target in links.items():
        if wanted_tool(path) and not path.startswith("usr/lib/x86_64"):
            archive.symlink(path, target)
    queue = list(EXTRA_LIBRARIES) + ["ld-linux-x86-64.so.2"]
    for path, mode, data in programs:
        if data[:2] == b"#!" and b"python" in data.split(b"\n", 1)[0]:
            continue
        archive.file(path, data, mode)
        queue += Elf(data).needed() if is_elf(data) else []
    add_libraries(archive, queue, libraries, links)


def add_libraries(archive, queue, libraries, links):
    """Names are unique over the library folders, so links are followed by name."""
    content = {os.path.basename(path): data for path, data in libraries.items()}
    target = {os.path.basename(path): os.path.basename(to) for path, to in links.items()
              if wanted_library(path)}
    seen = set()
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        real = name
        while real not in content:
            if real not in target or target[real] == real:
                raise debian.Error("no package of the image has the library " + name)
            real = target[real]
        archive.file("usr/lib/x86_64-linux-gnu/" + name, content[real], 0o755)
        queue += Elf(content[real]).needed()
    archive.symlink("usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")


def add_busybox(archive):
    """A link for each applet that no other program of the image provides."""
    with tempfile.NamedTemporaryFile(suffix="busybox", delete=False) as file:
        file.write(archive.content("usr/bin/busybox"))
    try:
        os.chmod(file.name, 0o755)
        applets = subprocess.run(["busybox", "--list"], executable=file.name, check=True,
                                 stdout=subprocess.PIPE, text=True)
    finally:
        os.unlink(file.name)
    for name in applets.stdout.split():
        if not any(folder + name in archive for folder in ("usr/bin/", "usr/sbin/")):
            archive.symlink("usr/bin/" + name, "busybox")


def add_frame(archive):
    for path, target in MERGED.items():
        archive.symlink(path, target)
    for path in ("proc", "sys", "dev", "run", "tmp", "root", "mnt", "var/log/xen", "var/lib/xen",
                 "var/lib/xenstored", "var/cache", "etc/xen/auto"):
        archive.directory(path)
    archive.symlink("var/run", "/run")
    archive.symlink("var/lock", "/run/lock")
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    archive.file("etc/hosts", b"127.0.0.1 localhost dom0\n")
    archive.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files\n")
    for name, mode in (("init", 0o755), ("profile", 0o644)):
        with open(os.path.join(HERE, name), "rb") as file:
            archive.file("init" if name == "init" else "etc/profile", file.read(), mode)


def replace(path, data):
    """A reader sees the old file or the new one, never half of one."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)


def build(out):
    os.makedirs(out, exist_ok=True)
    say("asking apt for Debian's kernel and Xen tools")
    tools = debian.closure(TOOL_PACKAGES + EXTRA_PACKAGES, wanted_dependency)
    kernel_package = next(name for name in debian.depends([KERNEL_PACKAGE])[KERNEL_PACKAGE]
                          if name.startswith("linux-image-"))
    say("fetching %d packages" % (len(tools) + 1))
    debs = debian.fetch(tools + [kernel_package])
    say("reading " + os.path.basename(debs[kernel_package]))
    kernel, release, modules = read_modules(debs.pop(kernel_package))
    archive = Archive()
    add_frame(archive)
    add_tools(archive, debs)
    add_busybox(archive)
    count = add_modules(archive, release, modules)
    raw = archive.bytes()
    packed = gzip.compress(raw, 9, mtime=0)
    replace(os.path.join(out, "vmlinuz"), kernel)
    replace(os.path.join(out, "initrd.gz"), packed)
    replace(os.path.join(out, "release"), (release + "\n").encode())
    say("kernel %s, %d modules, %d files, %.1f MB (%.1f MB packed)"
        % (release, count, len(archive.paths()), len(raw) / 1e6, len(packed) / 1e6))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="build/dom0")
    try:
        build(parser.parse_args().out)
    except (debian.Error, OSError) as error:
        sys.exit("dom0 image: %s" % error)


if __name__ == "__main__":
    main()
