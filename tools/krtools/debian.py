# SPDX-License-Identifier: MIT
"""Fetches Debian packages with apt and reads files out of them; nothing is installed."""
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import time

DEPS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "deps.sh")


class Error(Exception):
    pass


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("KRYPTON_CACHE") or os.path.join(base, "krypton")


def depends(packages):
    """First alternative of each dependency of each package, from apt's lists."""
    run = subprocess.run(["apt-cache", "show", "--no-all-versions", *packages],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = {}
    for block in run.stdout.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.M))
        if "Package" in fields:
            text = ", ".join(filter(None, (fields.get("Depends"), fields.get("Pre-Depends"))))
            found[fields["Package"]] = [re.split(r"[ (:|]", item.strip())[0]
                                        for item in text.split(",") if item.strip()]
    missing = [package for package in packages if package not in found]
    if missing:
        raise Error("apt knows no package %s (Debian 12 with its security suite is expected)"
                    % " ".join(missing))
    return found


def closure(roots, wanted):
    """The roots and all packages they depend on whose names pass wanted()."""
    try:
        if stale():
            raise Error("old lists")
        depends(roots)
    except Error:
        refresh()
    known, level = set(roots), sorted(roots)
    while level:
        names = {name for names in depends(level).values() for name in names if wanted(name)}
        level = sorted(names - known)
        known |= names
    return sorted(known)


def fetch(packages):
    """Downloads what the cache lacks; returns {package: path of its .deb}."""
    folder = os.path.join(cache_folder(), "debs")
    os.makedirs(folder, exist_ok=True)
    paths, missing = _look(packages, folder)
    if missing:
        _download(sorted(missing), folder)
        paths, missing = _look(packages, folder)
    if missing:
        raise Error("could not download %s" % " ".join(sorted(missing)))
    return paths


def _look(packages, folder):
    run = subprocess.run(["apt-get", "download", "--print-uris", *packages],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise Error(run.stderr.strip())
    paths, missing = {}, []
    for line in run.stdout.splitlines():
        match = re.match(r"'[^']*' (\S+) (\d+) (\w+):([0-9a-f]+)", line)
        if not match:
            continue
        name, size, method, digest = match.groups()
        package = name.split("_")[0]
        path = os.path.join(folder, name)
        if _intact(path, int(size), method, digest):
            paths[package] = path
        else:
            missing.append(package)
    return paths, missing


def _intact(path, size, method, digest):
    if not os.path.exists(path) or os.path.getsize(path) != size:
        return False
    with open(path, "rb") as file:
        good = hashlib.new(method.lower(), file.read()).hexdigest() == digest
    if not good:
        os.unlink(path)
    return good


def _download(packages, folder):
    for attempt in (1, 2):
        # apt's own sandbox user need not be able to write here
        run = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=", "download", *packages],
                             cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if run.returncode == 0:
            return
        if attempt == 1:
            refresh()
    raise Error(run.stdout.strip())


def stale():
    """Whether apt's lists are older than a day or than its sources."""
    lists = [os.stat(entry).st_mtime for entry in os.scandir("/var/lib/apt/lists") if entry.is_file()] \
        if os.path.isdir("/var/lib/apt/lists") else []
    sources = [os.stat(path).st_mtime for path in ("/etc/apt/sources.list", "/etc/apt/sources.list.d")
               if os.path.exists(path)]
    # a list keeps the archive's date; the folder's own says when apt last changed something in it
    if lists:
        lists.append(os.stat("/var/lib/apt/lists").st_mtime)
        lists.append(os.stat("/var/lib/apt/lists/partial").st_mtime
                     if os.path.isdir("/var/lib/apt/lists/partial") else 0)
    newest = max(lists, default=0)
    return newest < time.time() - 86400 or newest < max(sources, default=0)


def refresh():
    """Gets apt's lists anew (they name files that the archive no longer has)."""
    subprocess.run([DEPS, "--update"], stdout=sys.stderr)


def files(deb, wanted=None):
    """Yields (path, tar member, content) of a package's files and links, in the archive's order."""
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=io.BufferedReader(process.stdout, 1 << 20), mode="r|") as tar:
        for member in tar:
            path = member.name.lstrip("./")
            if member.isdir() or (wanted and not wanted(path)):
                continue
            yield path, member, tar.extractfile(member).read() if member.isreg() else b""
    process.stdout.close()
    if process.wait():
        raise Error("cannot read %s" % deb)
