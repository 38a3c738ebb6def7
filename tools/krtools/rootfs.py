# SPDX-License-Identifier: MIT
"""What an initramfs made of Debian's packages is put together from: modules, programs, libraries.

Nothing is installed on this machine; same packages, same bytes.
"""
import os
import subprocess
import tempfile

from . import debian
from .elf import Elf, is_elf

# Debian's /usr is merged: one tree, with links at the top.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def merged(path):
    top, _, rest = path.partition("/")
    return MERGED[top] + "/" + rest if top in MERGED else path


def wanted_library(path):
    path = merged(path)
    return path.startswith(("usr/lib/x86_64-linux-gnu/", "usr/lib64/")) and ".so" in path \
        and path.count("/") <= 3


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


def add_modules(archive, release, modules, wanted):
    """Adds the wanted modules and what they depend on, with the tables modprobe reads."""
    folder, closure, queue = "usr/lib/modules/%s/" % release, {}, [m.replace("-", "_") for m in wanted]
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


def add_packages(archive, debs, owners, wanted_program, wanted_data=lambda path: False, libraries=(),
                 present=()):
    """Adds the owners' programs, data of any package and then, until nothing is missing, the
    libraries that the programs name, from any package; `libraries` are wanted besides. Libraries of
    the archive `present`, which is to be unpacked first, are left out."""
    programs, found, links = [], {}, {}
    for package in sorted(debs):
        for path, member, data in debian.files(debs[package], lambda p: wanted_program(p)
                                               or wanted_library(p) or wanted_data(p)):
            path = merged(path)
            if member.issym() or member.islnk():
                target = member.linkname if member.issym() else "/" + member.linkname.lstrip("./")
                links.setdefault(path, target)
            elif wanted_library(path):
                found[path] = data
            elif wanted_data(path):
                archive.file(path, data)
            elif package in owners:
                programs.append((path, member.mode & 0o777, data))
    for path, target in links.items():
        if wanted_program(path) and not wanted_library(path):
            archive.symlink(path, target)
    queue = list(libraries) + ["ld-linux-x86-64.so.2"]
    for path, mode, data in programs:
        if data[:2] == b"#!" and b"python" in data.split(b"\n", 1)[0]:
            continue
        archive.file(path, data, mode)
        queue += Elf(data).needed() if is_elf(data) else []
    add_libraries(archive, queue, found, links, present)


LIBRARIES = "usr/lib/x86_64-linux-gnu/"


def add_libraries(archive, queue, libraries, links, present=()):
    """Names are unique over the library folders, so links are followed by name."""
    content = {os.path.basename(path): data for path, data in libraries.items()}
    target = {os.path.basename(path): os.path.basename(to) for path, to in links.items()
              if wanted_library(path)}
    seen = set()
    while queue:
        name = queue.pop()
        if name in seen or LIBRARIES + name in present:
            continue
        seen.add(name)
        real = name
        while real not in content:
            if real not in target or target[real] == real:
                raise debian.Error("no package of the image has the library " + name)
            real = target[real]
        archive.file(LIBRARIES + name, content[real], 0o755)
        queue += Elf(content[real]).needed()
    if not present:
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


def add_merged_usr(archive):
    for path, target in MERGED.items():
        archive.symlink(path, target)
