/* SPDX-License-Identifier: MIT */
/* What the x86 port keeps for a PV vCPU and a PV domain, embedded in the core's structures. Nothing
 * here needs the real hardware: the simulated machine (arch/sim) has the same. */
#pragma once

#include <kr/types.h>
#include <x86/layout.h>
#include <x86/regs.h>

struct page;

/* An exception handler of a PV guest. */
struct pv_trap {
    uint64_t rip;
    uint16_t cs;
    uint8_t dpl;
    bool masks_events;
};

struct pv_callback {
    uint64_t rip;
    bool masks_events;
};

/* A page table whose checking or giving up stopped half-way (mm/walk.h). */
struct table_walk {
    struct page *page; /* NULL: none */
    uint16_t index;    /* entries below it hold their references */
};
#define TABLE_LEVELS 4

/* First member of struct vcpu. A trap from the guest pushes straight into `regs`; the words below
 * it take the frame of a fault on the returning iretq (cpu/entry.S). */
struct arch_vcpu {
    uint64_t iret_fault_room[13];
    struct x86_regs regs; /* its hardware frame ends on a 16-byte boundary */
    bool in_kernel;       /* guest kernel mode (kernel root loaded) */
    bool ts;              /* virtual CR0.TS */
    uint8_t iopl;         /* virtual IOPL */
    bool in_nmi;          /* until the handler's iret */
    _Atomic bool nmi_pending;
    mfn_t kernel_root, user_root; /* L4 frames, user: 0 = none */
    uint64_t kernel_ss, kernel_sp;
    uint64_t fs_base, gs_base; /* live ones, saved while another vCPU runs */
    uint64_t gs_base_other;    /* the mode's that is not running */
    uint16_t ds, es, fs, gs;   /* saved while another vCPU runs */
    uint64_t cr4;              /* guest-chosen bits */
    uint64_t xcr0;
    uint64_t debugreg[8];
    void *fpu; /* XSAVE or FXSAVE area */
    struct pv_callback event, failsafe, syscall;
    uint64_t ldt_base;
    uint32_t ldt_count;
    uint32_t gdt_count; /* frames in use */
    mfn_t gdt_frames[GDT_GUEST_FRAMES];
    uint64_t tsc_aux;
    struct table_walk validating[TABLE_LEVELS]; /* by level, each table the child of the next */
    struct table_walk releasing[TABLE_LEVELS];  /* by level */
    bool walk_is_pending;                       /* something is in `releasing` */
    struct pv_trap *traps;                      /* 256 */
    struct pv_trap nmi;
};
_Static_assert((offsetof(struct arch_vcpu, regs) + offsetof(struct x86_regs, es)) % 16 == 0,
               "hardware aligns the frame it pushes");

struct x86_domain_irqs;
struct cpu_policy;

/* How a domain's TSC was set up, as tools set and read it. It runs at the machine's frequency. */
struct tsc_settings {
    _Atomic uint32_t mode;        /* xen/arch-x86/cpuid.h TSC_MODE_* */
    _Atomic uint32_t incarnation; /* how many times it was set up anew */
};

struct arch_domain {
    struct x86_domain_irqs *_Atomic irqs; /* pirqs; NULL for a domain without hardware */
    struct cpu_policy *policy;            /* set by the toolstack; NULL = the default */
    void *e820; /* struct e820entry[], set by the toolstack; NULL = none */
    uint32_t e820_count;
    struct tsc_settings tsc; /* [d] to set */
    uint32_t unpin_next;     /* frame where giving up page tables goes on; 0 = not begun */
};
