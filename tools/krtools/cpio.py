# SPDX-License-Identifier: MIT
"""Writes "newc" cpio archives, the format of the kernel's initramfs (buffer-format.rst of Linux).

Entries are written in sorted order with fixed owner and time: same content, same bytes.
"""
import stat


class Archive:
    def __init__(self):
        self._entries = {}

    def directory(self, path, mode=0o755):
        path = path.strip("/")
        if path and path not in self._entries:
            self._parents(path)
            self._entries[path] = (stat.S_IFDIR | mode, b"")

    def file(self, path, data, mode=0o644):
        path = path.strip("/")
        self._parents(path)
        self._entries[path] = (stat.S_IFREG | mode, data)

    def symlink(self, path, target):
        path = path.strip("/")
        self._parents(path)
        self._entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def content(self, path):
        return self._entries[path.strip("/")][1]

    def paths(self):
        return sorted(self._entries)

    def __contains__(self, path):
        return path.strip("/") in self._entries

    def _parents(self, path):
        if "/" in path:
            self.directory(path.rsplit("/", 1)[0])

    def bytes(self):
        out = bytearray()
        for inode, path in enumerate(sorted(self._entries), 1):
            mode, data = self._entries[path]
            out += _entry(inode, path, mode, data)
        out += _entry(0, "TRAILER!!!", 0, b"")
        return bytes(out)


def _entry(inode, path, mode, data):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
