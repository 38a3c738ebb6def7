/* SPDX-License-Identifier: MIT */
/*
 * The port contract: everything the core may ask of an architecture. Each function says who calls
 * it, on which CPU, with what held and whether it may fail. Interrupts are off in all of them
 * unless said otherwise. <arch/types.h> is the port's part: the structures it embeds (struct
 * arch_cpu, arch_vcpu, arch_domain, arch_irq) and the inline forms of this_cpu(),
 * frame_to_virt(), virt_to_frame(), arch_irq_save() and arch_irq_restore().
 */
#pragma once

#include <kr/types.h>

struct cpu;
struct vcpu;
struct domain;
struct hypercall_args;
struct xen_domctl;
struct xen_domctl_createdomain;
struct xen_domctl_getdomaininfo;
struct xen_platform_op;
struct xen_sysctl;

#include <arch/types.h>

/* ---- this CPU ------------------------------------------------------------------------------- */

/* Inline in <arch/types.h>:
 *   struct cpu *this_cpu(void);
 *   unsigned long arch_irq_save(void);          interrupts off, returns what to restore
 *   void arch_irq_restore(unsigned long);
 *   void arch_cpu_relax(void);                  inside spin loops
 *   void arch_interleave(void);                 here another CPU may be seen to act: nothing on
 *                                               hardware, where that is so everywhere; a simulated
 *                                               machine may let another CPU go on
 *   void arch_page_clear(void *page);           zeroes PAGE_SIZE bytes, aligned to it
 *   void *frame_to_virt(mfn_t);                 every RAM frame is mapped
 *   mfn_t virt_to_frame(const void *);
 */

/* Idle loop: waits for an interrupt, atomically with enabling them; interrupts off again after. */
void arch_cpu_idle(void);
/* Opens interrupts for a moment so that waiting ones raise their work. No lock held. Called by long
 * hypercalls, on behalf of the current vCPU. */
void arch_interrupt_window(void);
/* Makes another CPU run cpu_do_work() soon. */
void arch_cpu_kick(struct cpu *cpu);

/* ---- time ----------------------------------------------------------------------------------- */

/* System time: nanoseconds since boot, monotonic over all CPUs. Any context. */
uint64_t arch_time_ns(void);
/* Arms this CPU's timer; at or after the deadline the port raises CPU_WORK_TIMER. ~0 = disarm. */
void arch_timer_program(uint64_t deadline_ns);
/* Wall clock in seconds since 1970 UTC, read from the machine at boot. */
uint64_t arch_wallclock_sec(void);
/* Frequency of the counter that guests read, kHz. */
uint32_t arch_tsc_khz(void);

/* ---- guests --------------------------------------------------------------------------------- */

/* Copies from/to the current vCPU's memory at a guest virtual address. All or -EFAULT; what was
 * copied before a fault stays. Never touches hypervisor memory. */
int arch_guest_read(void *dst, uint64_t guest_addr, size_t size_bytes) __must_check;
int arch_guest_write(uint64_t guest_addr, const void *src, size_t size_bytes) __must_check;

/*
 * The same into the kernel address space of a vCPU whose state this CPU holds (running, just
 * stopped or idle; in user or kernel mode). Best effort: nothing happens where that space is not
 * mapped writable. Called by the scheduler with no lock held, to keep the runstate area up to date.
 */
void arch_vcpu_write_guest(struct vcpu *v, uint64_t guest_addr, const void *src, size_t size_bytes);

/*
 * Writes the vCPU's time record (struct vcpu_time_info in v->info, and the registered copy at
 * v->time_guest_addr) for the CPU it belongs to. Called by the core when one of the two was
 * registered, for the current vCPU or one that is down; by the port itself whenever what it would
 * write changes (new calibration, vCPU loaded on another CPU).
 */
void arch_vcpu_time_publish(struct vcpu *v);
/* What guests can be told about us. The kinds of guest we run, as XENVER_capabilities words it; the
 * lowest address that is ours in a guest's address space (0: none); the feature bits (XENFEAT_*,
 * submap 0) for this domain, as they are at this moment. */
const char *arch_guest_kinds(void);
uint64_t arch_guest_hole_start(const struct domain *d);
uint32_t arch_features(const struct domain *d);
/* memory_op operations that are the port's alone (core/memory_ops.def has the others); unknown ones
 * give -ENOSYS. `op` is without progress bits. Arguments and result as a handler's. */
long arch_memory_op(unsigned op, struct hypercall_args *args);
/* Highest page number that the domain uses. */
uint64_t arch_domain_max_gfn(struct domain *d);
/* The bits of VMASST_TYPE_* that this domain may switch on. */
uint64_t arch_vm_assist_mask(const struct domain *d);

/* Life of the port's half. create: called once, object zeroed, may fail with -ENOMEM, undoes
 * itself. destroy: no vCPU runs any more. */
int arch_domain_create(struct domain *d) __must_check;
void arch_domain_destroy(struct domain *d);
/* Drops the references the domain's own page tables and descriptors hold; bounded work:
 * 0 when done, -ERESTART to be called again. */
int arch_domain_relinquish(struct domain *d) __must_check;
int arch_vcpu_create(struct vcpu *v) __must_check;
void arch_vcpu_destroy(struct vcpu *v);

/* World switch on this CPU: stores what is live of `from`, loads `to`; either may be NULL (idle).
 * Called by the scheduler with no lock held; this_cpu()->current is NULL meanwhile and set after.
 * It returns like any function: the exit path enters this_cpu()->current. An idle CPU keeps the
 * state of the last vCPU until another one needs the place, so the same vCPU resumes without a
 * switch. */
void arch_vcpu_switch(struct vcpu *from, struct vcpu *to);

/* Makes an NMI pending: the vCPU takes it as soon as it has ended the one before. Any CPU. */
void arch_vcpu_send_nmi(struct vcpu *v);

/* VCPUOP_initialise / DOMCTL_setvcpucontext with a guest-supplied context at a guest address.
 * *online: the context wants the vCPU up; tools start a domain's like that, guests bring theirs up
 * in a step of its own. */
int arch_vcpu_set_context(struct vcpu *v, uint64_t guest_addr, bool *online) __must_check;
int arch_vcpu_get_context(struct vcpu *v, uint64_t guest_addr) __must_check;

/* A frame number given by the guest (its gfn: an mfn for PV) to a machine frame of domain `d`,
 * with a general and a writable reference taken, so that the hypervisor may keep using it through
 * frame_to_virt(). MFN_INVALID when not owned or not writable. Undo with arch_frame_unpin(). */
mfn_t arch_frame_pin_writable(struct domain *d, uint64_t gfn);
void arch_frame_unpin(mfn_t mfn);
/* The same frame number to a machine frame, no reference taken, ownership not checked (the caller
 * does both with page_get_frame()); MFN_INVALID: nothing there. PV: the number itself. */
mfn_t arch_frame_lookup(struct domain *d, uint64_t gfn);
/* Publishes a hypervisor frame to a domain: it may map it read-write by its mfn (PV). */
void arch_frame_expose(struct domain *d, mfn_t mfn);
/* The opposite; the frame must not be reused before its last guest mapping is gone: the last
 * reference frees it. */
void arch_frame_conceal(struct domain *d, mfn_t mfn);
/* The frame's owner has just given it up (page_release()), and a reference is held. Ends what only
 * the owner could have ended (PV: the pin of a page table). */
void arch_frame_given_up(mfn_t mfn);
/* A guest's new page enters or leaves its address space (PV: machine-to-physical entry). */
void arch_frame_set_gfn(mfn_t mfn, uint64_t gfn);

/* Grant mapping into the current domain. PV: host_addr is a virtual address, or the machine address
 * of a page-table entry with `contains_pte`. Returns 0 or a GNTST_* status (negative). The caller
 * holds the reference on the frame that the mapping will own: from success on it is the page-table
 * entry's, and is dropped when that entry goes, by arch_grant_unmap() or by any other way. */
struct arch_grant_map {
    uint64_t host_addr;
    mfn_t mfn;
    bool readonly, contains_pte, device;
    uint32_t guest_avail; /* bits for the available field of the entry */
};
int arch_grant_map(struct vcpu *v, const struct arch_grant_map *map) __must_check;
/* Removes the mapping if it is still there (new_addr 0), or puts the entry that maps new_addr in
 * its place, emptying that one; drops the mapping's reference. The grant code holds another one
 * until after arch_grant_flush(). GNTST_*: negative when host_addr does not map that frame. */
int arch_grant_unmap(struct vcpu *v, const struct arch_grant_map *map,
                     uint64_t new_addr) __must_check;
/* Completes the TLB flush that unmapped grants need; called once at the end of a batch. */
void arch_grant_flush(struct domain *d);

/* ---- calls of the control domain ------------------------------------------------------------- */

/* For all of these the control lock is held, and the current domain is the control domain. */

/* What the tools are told about the machine. */
struct arch_machine_info {
    uint32_t threads_per_core, cores_per_socket;
    uint32_t cpu_khz;
    uint32_t abilities;       /* XEN_SYSCTL_PHYSCAP_*: what the port and this machine can do */
    uint32_t cpu_features[8]; /* hw_cap of XEN_SYSCTL_physinfo */
    uint64_t ram_count;       /* frames of RAM, those left to the firmware among them */
    uint64_t frame_max;       /* highest frame number of RAM */
};
void arch_machine_describe(struct arch_machine_info *info);
/* Core and socket of a CPU, as `xl info -n` shows them. */
void arch_cpu_place(const struct cpu *cpu, uint32_t *core, uint32_t *socket);
/* Has the control domain told us of this PCI device? */
bool arch_pci_is_known(uint16_t segment, uint8_t bus, uint8_t devfn);
/* The port's fields: arch_config and gpaddr_bits; the rest is filled in, and zero where not known.
 */
void arch_domain_describe(struct domain *d, struct xen_domctl_getdomaininfo *info);
/* May a domain be made like this (flags, arch)? 0, -EINVAL, -EOPNOTSUPP. */
int arch_domain_config_check(const struct xen_domctl_createdomain *config) __must_check;
/*
 * Operations that are the port's alone (core/sysctl_ops.def, domctl_ops.def and platform_ops.def
 * have the others). `op` is our copy; results in it go back to the caller unless -EFAULT is
 * returned. Unknown ones give -ENOSYS. arch_domctl(): `d` is the domain the operation names, with a
 * reference, not locked and perhaps the current one.
 */
long arch_sysctl(struct xen_sysctl *op);
long arch_domctl(struct domain *d, struct xen_domctl *op);
long arch_platform_op(struct xen_platform_op *op);
/* Numbers of a CPU in the firmware's tables, and what CPUID says it is. */
struct arch_cpu_identity {
    uint32_t apic_id, acpi_id;
    char vendor[12];
    uint32_t family, model, stepping;
};
void arch_cpu_identify(const struct cpu *cpu, struct arch_cpu_identity *identity);
/* Shift state of the keyboard as the firmware left it (x86: BIOS data area 0x417); 0 if unknown. */
uint8_t arch_keyboard_flags(void);

/* ---- interrupts of the machine --------------------------------------------------------------- */

/* A domain's pirq: bound and unbound by event channels, unmasked after EOI. */
int arch_pirq_bind(struct domain *d, unsigned pirq, bool share) __must_check;
void arch_pirq_unbind(struct domain *d, unsigned pirq);
/* The port of a bound pirq notifies this vCPU from now on: interrupts should go where it runs. */
void arch_pirq_follow(struct domain *d, unsigned pirq, struct vcpu *v);
/* Guest's end of interrupt for a pirq that asked for one. */
void arch_pirq_eoi(struct domain *d, unsigned pirq);

/* ---- machine --------------------------------------------------------------------------------- */

void arch_machine_reboot(void) __noreturn;
void arch_machine_halt(void) __noreturn;
/* Highest RAM frame number + 1. */
mfn_t arch_frame_end(void);
/* Writes to memory what CPU caches hold of some bytes of a RAM frame, as frame_to_virt() shows it;
 * devices that do not look into caches see them then. Within one frame. */
void arch_cache_write_back(const void *start, size_t size_bytes);
/* Registers and backtrace of this CPU, for panic() and debug keys. Any context. */
void arch_crash_dump(void);
/* Registers of the guest state of a vCPU that is not running. */
void arch_vcpu_dump(struct vcpu *v);
/* Port I/O of the machine (x86; drivers of ISA devices only). */
uint8_t arch_port_read8(uint16_t port);
uint16_t arch_port_read16(uint16_t port);
uint32_t arch_port_read32(uint16_t port);
void arch_port_write8(uint16_t port, uint8_t value);
void arch_port_write16(uint16_t port, uint16_t value);
void arch_port_write32(uint16_t port, uint32_t value);
