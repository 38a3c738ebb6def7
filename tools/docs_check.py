#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what the documents list with the source: command line options, debug keys, lock ranks,
the files that the documents name or link to, and the figures of README that are easily counted.

Prints a line for each difference and exits with 1 when there is one.
"""
import glob
import os
import re
import subprocess
import sys

SOURCES = ("lib", "core", "boot", "drv", "arch")
OPTION = re.compile(r'^OPTION_(BOOL|UINT|SIZE|STRING|CUSTOM)\(\s*"(\w+)",(.*?)\);', re.M | re.S)
DEBUGKEY = re.compile(r"""^DEBUGKEY\('(.)', "(.*?)",""", re.M)
RANK = re.compile(r"^\s*LOCK_RANK_(\w+) = (\d+),", re.M)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# A file of ours in backquotes; patterns are fine.
FILE = re.compile(r"`((?:arch|bench|boot|core|docs|drv|include|lib|tests|tools)/[\w./*-]+\.\w+)`")

LINES = re.compile(r"([\d,]+) lines of code \(`make loc`\), and ([\d,]+) KiB packed")
TOLERANCE = 0.05  # of a figure in README, so that not every change needs another one


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def sources():
    for folder in SOURCES:
        for path in sorted(glob.glob(folder + "/**/*.c", recursive=True)):
            yield read(path)


def option_heading(kind, name, rest):
    """The option as the heading of its paragraph shows it."""
    if kind == "CUSTOM":
        return name + "=" + "".join(re.findall(r'"(.*?)"', rest))
    if kind == "UINT":
        low, high = (field.strip() for field in rest.split(",")[1:3])
        return "%s=<%s to %s>" % (name, low, high)
    return name + {"BOOL": "", "SIZE": "=<size>", "STRING": "=<text>"}[kind]


def compare(document, what, in_source, in_document):
    for item in sorted(in_source - in_document):
        yield "%s: no %s `%s`, which the source has" % (document, what, item)
    for item in sorted(in_document - in_source):
        yield "%s: %s `%s` is not in the source" % (document, what, item)


def options():
    document = "docs/command-line.md"
    yield from compare(document, "heading",
                       {option_heading(*match) for text in sources() for match in OPTION.findall(text)},
                       set(re.findall(r"^### `(.*)`$", read(document), re.M)))


def debug_keys():
    document = "docs/debugging.md"
    yield from compare(document, "debug key",
                       {"%s: %s" % match for text in sources() for match in DEBUGKEY.findall(text)},
                       {"%s: %s" % match
                        for match in re.findall(r"^\| `(.)` \| (.*?) \|", read(document), re.M)})


def lock_ranks():
    document = "docs/locking.md"
    yield from compare(document, "rank",
                       {"%s %s" % (number, name) for name, number in RANK.findall(read("include/kr/lock.h"))},
                       {"%s %s" % match
                        for match in re.findall(r"^\| (\d+) \| `?(\w+)`? \|", read(document), re.M)})


def files():
    for path in sorted(glob.glob("**/*.md", recursive=True)):
        if path.startswith("build/"):
            continue
        text = read(path)
        for link in LINK.findall(text):
            if "://" not in link and not os.path.exists(os.path.join(os.path.dirname(path), link)):
                yield "%s: links to %s, which does not exist" % (path, link)
        for name in FILE.findall(text):
            if not glob.glob(name):
                yield "%s: names %s, which does not exist" % (path, name)


def figures():
    """Lines of code, and the packed image when there is one."""
    match = LINES.search(" ".join(read("README.md").split()))
    if not match:
        yield "README.md: does not say how many lines of code there are, and how many KiB packed"
        return
    lines, kib = (int(text.replace(",", "")) for text in match.groups())
    counted = subprocess.run(["tools/loc.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout
    yield from differs("lines of code", lines, int(counted.split()[-2]))
    if os.path.exists("build/krypton.gz"):
        yield from differs("KiB packed", kib, os.path.getsize("build/krypton.gz") // 1024)


def differs(what, said, found):
    if abs(said - found) > found * TOLERANCE:
        yield "README.md: %d %s, there are %d" % (said, what, found)


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    differences = [line for check in (options, debug_keys, lock_ranks, files, figures) for line in check()]
    for line in differences:
        print(line)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
