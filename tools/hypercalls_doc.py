#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/hypercalls.md from the tables of operations (*.def) and the public headers.

usage: hypercalls_doc.py            write docs/hypercalls.md
       hypercalls_doc.py --check    exit with 1 when it is not up to date
"""
import glob
import os
import re
import sys

HEADERS = "/usr/include/xen"
OUT = "docs/hypercalls.md"
ROW = re.compile(r'^(HYPERCALL|OPERATION)\((.*)\)\s*$')
DEFINE = re.compile(r"^#define\s+(\w+)\s+(\d+)\b")

# hypercall: (header, prefix of the operations, the part of the header that has them, no operations)
CALLS = {
    "platform_op": ("platform.h", "XENPF_", None, "INTERFACE_VERSION|ACPI_SLEEP_EXTENDED"),
    "memory_op": ("memory.h", "XENMEM_", None,
                  "(paging_op|access_op|sharing_op|resource|SHARING_OP)_.*|RDM_ALL|FORK_.*|access_[nrwxd].*"),
    "xen_version": ("version.h", "XENVER_", None, ""),
    "console_io": ("xen.h", "CONSOLEIO_", None, ""),
    "grant_table_op": ("grant_table.h", "GNTTABOP_", None, ""),
    "vcpu_op": ("vcpu.h", "VCPUOP_", None, ""),
    "set_segment_base": ("arch-x86/xen-x86_64.h", "SEGBASE_", None, ""),
    "mmuext_op": ("xen.h", "MMUEXT_", None, ""),
    "nmi_op": ("nmi.h", "XENNMI_", None, ""),
    "sched_op": ("sched.h", "SCHEDOP_", None, ""),
    "callback_op": ("callback.h", "CALLBACKOP_", None, ""),
    "event_channel_op": ("event_channel.h", "EVTCHNOP_", None, "reset_cont"),
    "physdev_op": ("physdev.h", "PHYSDEVOP_", None, "DBGP_.*|IRQ_UNMASK_NOTIFY"),
    "hvm_op": ("hvm/hvm_op.h", "HVMOP_", None, "altp2m_.*"),
    "sysctl": ("sysctl.h", "XEN_SYSCTL_", "struct xen_sysctl {", ""),
    "domctl": ("domctl.h", "XEN_DOMCTL_", "struct xen_domctl {", ""),
    "hypfs_op": ("hypfs.h", "XEN_HYPFS_OP_", None, ""),
    "mca": ("arch-x86/xen-mca.h", "XEN_MC_", None,
            "(?!fetch|notifydomain|physcpuinfo|msrinject|mceinject|inject_v2).*"),
}
# Files of operations are named after the call, or after the first word of it.
DEF_NAMES = {"version": "xen_version", "console": "console_io", "event": "event_channel_op",
             "grant": "grant_table_op", "platform": "platform_op"}


def call_of(path):
    stem = re.sub(r"_ops\.def$", "", os.path.basename(path))
    for name in (stem, stem + "_op", DEF_NAMES.get(stem, "")):
        if name in CALLS:
            return name
    sys.exit(f"{path}: no hypercall of that name in tools/hypercalls_doc.py")


def rows(path):
    """The fields of each row; the last one is the purpose in quotes."""
    for line in open(path, encoding="utf-8"):
        match = ROW.match(line)
        if match:
            head, purpose = match.group(2).split('"')[:2]
            yield [f.strip() for f in head.split(",")[:-1]] + [purpose]


def header_numbers(header, prefix, start, excluded):
    """{name without prefix: number} of what the public header defines."""
    text = open(os.path.join(HEADERS, header), encoding="utf-8").read()
    if start:
        text = text[text.rindex(start):]
    found = {}
    for line in text.split("\n"):
        match = DEFINE.match(line)
        if match and match.group(1).startswith(prefix):
            name = match.group(1)[len(prefix):]
            if not (excluded and re.fullmatch(excluded, name)):
                found[name] = int(match.group(2))
    return found


def answered_in_code(prefix):
    """Operations that sources without a table answer: {name: file}. A case that only returns
    -ENOSYS or -EOPNOTSUPP is not an answer."""
    found = {}
    for path in sorted(glob.glob("core/**/*.c", recursive=True) +
                       glob.glob("arch/x86/**/*.c", recursive=True)):
        waiting = []
        for line in open(path, encoding="utf-8"):
            text = re.sub(r"/\*.*?\*/", "", line).strip()
            match = re.match(r"case " + prefix + r"(\w+):\s*(.*)", text)
            if match:
                waiting.append(match.group(1))
                text = match.group(2)
            if waiting and text:
                if not re.match(r"return -(ENOSYS|EOPNOTSUPP);", text):
                    found.update({name: path for name in waiting})
                waiting = []
    return found


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for line in lines:
        yield "| " + " | ".join(line) + " |"
    yield ""


def caller(word):
    return "control domain" if word == "CONTROL" else "anyone"


def section(call, defs):
    header, prefix, start, excluded = CALLS[call]
    public = header_numbers(header, prefix, start, excluded)
    built = {}
    for path in defs:
        for nr, name, callers, length, purpose in rows(path):
            built[name] = (int(nr), caller(callers), "yes" if length == "YES" else "", purpose)
    for name, path in answered_in_code(prefix).items():
        if name in public and name not in built:
            built[name] = (public[name], "", "", f"in `{path}`")
    yield f"## {call}"
    yield ""
    yield f"`xen/{header}`, `{prefix}…`"
    yield ""
    ordered = sorted(built.items(), key=lambda item: item[1][0])
    if not ordered:
        yield "No operation is built."
        yield ""
        return
    yield from table(("nr", "operation", "callers", "may restart", "purpose"),
                     ([str(b[0]), f"`{name}`", b[1], b[2], b[3]] for name, b in ordered))
    missing = sorted((number, name) for name, number in public.items() if name not in built)
    if missing:
        yield "Not built: " + ", ".join(f"{name} ({number})" for number, name in missing) + "."
        yield ""


def document():
    calls = sorted((int(r[0]), *r[1:]) for r in rows("core/hypercalls.def"))
    known = {name for _, name, *_ in calls}
    defs = {}
    for path in sorted(glob.glob("core/*_ops.def") + glob.glob("arch/x86/**/*_ops.def", recursive=True)):
        defs.setdefault(call_of(path), []).append(path)

    yield "# Hypercalls"
    yield ""
    yield "Made by `tools/hypercalls_doc.py` from `core/hypercalls.def`, the tables of operations beside it"
    yield "and in the x86 port, and the numbers in the public headers. An operation that is not built gives"
    yield "`-ENOSYS` or `-EOPNOTSUPP`. A call that may restart stores its progress in its own arguments and is"
    yield "issued again when other work waits."
    yield ""
    yield from table(("nr", "name", "arguments", "callers", "may restart", "purpose"),
                     ([str(nr), f"[`{name}`](#{name})" if name in CALLS else f"`{name}`", argc,
                       caller(callers), "yes" if length == "YES" else "", purpose]
                      for nr, name, argc, callers, length, purpose in calls))
    public = header_numbers("xen.h", "__HYPERVISOR_", None, "arch_.*|.*_compat")
    missing = sorted((number, name) for name, number in public.items() if name not in known)
    yield "Not built: " + ", ".join(f"{name} ({number})" for number, name in missing) + "."
    yield ""
    for _, name, *_ in calls:
        if name in CALLS:
            yield from section(name, defs.get(name, []))


def main():
    text = "\n".join(document()).rstrip("\n") + "\n"
    if "--check" in sys.argv:
        old = open(OUT, encoding="utf-8").read() if os.path.exists(OUT) else ""
        if old != text:
            sys.exit(f"{OUT} is not up to date: run tools/hypercalls_doc.py")
        return
    os.makedirs(os.path.dirname(OUT), exist_ok=True)
    with open(OUT, "w", encoding="utf-8") as f:
        f.write(text)


main()
