# SPDX-License-Identifier: MIT
"""A guest kernel of a hundred bytes: its command line says how it ends.

A digit is a reason for SCHEDOP_shutdown, 'c' an exception that nobody handles, 'b' to block for good,
's' to spin. At the entry point RSI points to start_info (xen.h), whose cmd_line is at 0x80, and RSP is
good for use.
"""
from krtools import elfmake

BASE = 0xffffffff80000000
CODE = bytes([
    0x0f, 0xb6, 0x9e, 0x80, 0x00, 0x00, 0x00,  # movzbl 0x80(%rsi), %ebx
    0x80, 0xfb, 0x73,                          # cmpb $'s', %bl
    0x75, 0x02,                                # jne 1f
    0xeb, 0xfe,                                # 0: jmp 0b
    0x80, 0xfb, 0x63,                          # 1: cmpb $'c', %bl
    0x75, 0x02,                                # jne 2f
    0x0f, 0x0b,                                # ud2
    0x80, 0xfb, 0x62,                          # 2: cmpb $'b', %bl
    0x75, 0x18,                                # jne 4f
    0x6a, 0x00, 0x6a, 0x00, 0x6a, 0x00,        # push $0 (three times): struct sched_poll, for ever
    0x48, 0x89, 0xe6,                          # 3: mov %rsp, %rsi
    0xbf, 0x03, 0x00, 0x00, 0x00,              # mov $SCHEDOP_poll, %edi
    0xb8, 0x1d, 0x00, 0x00, 0x00,              # mov $__HYPERVISOR_sched_op, %eax
    0x0f, 0x05,                                # syscall
    0x90,                                      # nop
    0xeb, 0xee,                                # jmp 3b
    0x83, 0xeb, 0x30,                          # 4: sub $'0', %ebx
    0x53,                                      # push %rbx: struct sched_shutdown
    0x48, 0x89, 0xe6,                          # mov %rsp, %rsi
    0xbf, 0x02, 0x00, 0x00, 0x00,              # mov $SCHEDOP_shutdown, %edi
    0xb8, 0x1d, 0x00, 0x00, 0x00,              # mov $__HYPERVISOR_sched_op, %eax
    0x0f, 0x05,                                # syscall
    0x0f, 0x0b,                                # ud2
])


def kernel():
    return elfmake.elf64(CODE + bytes(4096 - len(CODE)), BASE, elfmake.xen_notes_64(BASE, BASE), physical=0)
