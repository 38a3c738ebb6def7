/* SPDX-License-Identifier: MIT */
/* Makes the control domain of the simulated machine: pages, page tables and the first vCPU, laid
 * out as sim/guest.h says. */
#include <kr/errno.h>
#include <kr/kernel_notes.h>
#include <kr/log.h>
#include <kr/memory.h>
#include <kr/string.h>
#include <kr/time.h>
#include <sim/guest.h>
#include <x86/irq.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/pv.h>

#include <xen/xen.h>

#include "machine_internal.h"

#define PORT_MAX        4096
#define GRANT_FRAMES    8
#define MAPTRACK_FRAMES 16
#define GRANT_VERSION   2

static mfn_t frames[SIM_PAGES_MAX];

static void memory_make(struct domain *d)
{
    for (unsigned pfn = 0; pfn < machine.config.dom0_pages; pfn++)
        if (memory_populate(d, pfn, 0, 0, &frames[pfn]) != 0)
            boot_refuse("out of memory for dom0's page %u", pfn);
}

/* Segments lie at their pseudo-physical addresses. */
static int kernel_part_write(void *context, uint64_t paddr, const void *data, uint64_t size_bytes)
{
    uint64_t pfn = paddr >> PAGE_SHIFT;

    if (pfn >= machine.config.dom0_pages || (paddr & ~PAGE_MASK) + size_bytes > PAGE_SIZE)
        return -EINVAL;
    if (data)
        memcpy((char *)frame_to_virt(frames[pfn]) + (paddr & ~PAGE_MASK), data, size_bytes);
    return 0;
}

/* Returns where it starts. The module's frames are free afterwards. */
static uint64_t kernel_load(const struct boot_module *module)
{
    static struct elf_image elf;
    const struct kernel_pv_limits limits = {.hole_start = HV_VIRT_START, .hole_end = HV_VIRT_END};
    struct kernel_notes notes;
    struct boot_error why;

    if (elf_parse(&elf, phys_to_virt(module->start), module->size, &why) != 0)
        boot_refuse("%s", why.text);
    kernel_notes_parse(&notes, &elf);
    if (kernel_notes_check_pv_dom0(&notes, &elf, &limits, &why) != 0)
        boot_refuse("%s", why.text);
    if (elf_load(&elf, kernel_part_write, NULL) != 0)
        boot_refuse("dom0's kernel does not fit its pages");
    page_free_range(module->start >> PAGE_SHIFT, DIV_ROUND_UP(module->size, PAGE_SIZE));
    return notes.entry;
}

static void start_info_make(struct domain *d)
{
    struct start_info *si = frame_to_virt(frames[SIM_PFN_START_INFO]);

    si->nr_pages = machine.config.dom0_pages;
    si->shared_info = virt_to_phys(d->shared_info);
    si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    memcpy((char *)si + PAGE_SIZE / 2, frames, machine.config.dom0_pages * sizeof(frames[0]));
}

static void table_link(unsigned level, uint64_t va_slot)
{
    uint64_t *table = frame_to_virt(frames[SIM_PFN_TABLES + level]);

    table[va_slot] = pte_make(frames[SIM_PFN_TABLES + level + 1], PTE_P | PTE_RW | PTE_US);
}

static void tables_make(void)
{
    uint64_t *l1 = frame_to_virt(frames[SIM_PFN_TABLES + 3]);

    table_link(0, L4_SLOT(SIM_VIRT_BASE));
    table_link(1, L3_SLOT(SIM_VIRT_BASE));
    table_link(2, L2_SLOT(SIM_VIRT_BASE));
    for (unsigned pfn = 0; pfn < machine.config.dom0_pages; pfn++)
        l1[pfn] = pte_make(frames[pfn], PTE_P | PTE_US | (sim_pfn_is_readonly(pfn) ? 0 : PTE_RW));
}

static void vcpu_start_first(struct domain *d, uint64_t entry)
{
    struct vcpu *v;

    for (unsigned i = 0; i < d->vcpu_max; i++)
        if (vcpu_create(d, i, i % machine.config.cpu_count, &v) != 0)
            boot_refuse("out of memory for dom0's vCPU %u", i);
    v = d->vcpus[0];
    v->arch.regs.rip = entry;
    v->arch.regs.rsp = sim_page_va(SIM_PFN_STACK + 1);
    v->arch.regs.cs = SEL_USER_CS64;
    v->arch.regs.ss = SEL_USER_DS;
    v->arch.regs.rflags = X86_FLAG_IF | 2;
    if (page_type_pin(d, frames[SIM_PFN_TABLES], PAGE_TYPE_L4) != 0 ||
        pv_set_kernel_root(v, frames[SIM_PFN_TABLES]) != 0)
        panic("dom0's first page tables are refused");
    v->is_initialised = true;
    vcpu_start(v, VCPU_STOP_DOWN);
}

void sim_dom0_create(const struct boot_info *info)
{
    struct domain_config config = {.id = 0,
                                   .is_privileged = true,
                                   .vcpu_max = machine.config.dom0_vcpus,
                                   .port_max = PORT_MAX,
                                   .grant_frame_max = GRANT_FRAMES,
                                   .maptrack_max = MAPTRACK_FRAMES,
                                   .grant_version_max = GRANT_VERSION,
                                   .memory_page_max = SIM_PAGES_MAX};
    struct domain *d;
    uint64_t entry;

    if (domain_create(&config, &d) != 0 || irq_domain_init(d) != 0)
        boot_refuse("out of memory for dom0's structures");
    memory_make(d);
    entry = kernel_load(&info->module[0]);
    tables_make();
    start_info_make(d);
    vcpu_start_first(d, entry);
    time_publish_wallclock(d);
    domain_unpause(d);
}
