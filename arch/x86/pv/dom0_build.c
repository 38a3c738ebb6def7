/* SPDX-License-Identifier: MIT */
/* Builds the PV control domain from the loader's modules and makes its first vCPU ready. */
#include <kr/cpu.h>
#include <kr/dom0_mem.h>
#include <kr/log.h>
#include <kr/option.h>
#include <kr/time.h>
#include <x86/cpu.h>
#include <x86/irq.h>
#include <x86/pagetype.h>
#include <x86/pv.h>

#include "dom0_internal.h"

#define PORT_MAX        131072
#define GRANT_FRAMES    64
#define MAPTRACK_FRAMES 1024
#define GRANT_VERSION   2

static struct dom0_builder builder;

static unsigned max_vcpus;
OPTION_UINT("dom0_max_vcpus", max_vcpus, 1, 128,
            "number of dom0's virtual CPUs (default: one per CPU)");

static void vcpu_make(struct dom0_builder *b, mfn_t root, uint64_t entry)
{
    const struct dom0_layout *l = &b->layout;
    struct vcpu *v;

    if (vcpu_create(b->d, 0, 0, &v) != 0)
        boot_refuse("out of memory for dom0's first vCPU");
    v->arch.regs.rip = entry;
    v->arch.regs.rsi = l->virt_base + (l->start_info_pfn << PAGE_SHIFT);
    v->arch.regs.rsp = l->virt_base + ((l->stack_pfn + 1) << PAGE_SHIFT);
    v->arch.regs.cs = SEL_USER_CS64;
    v->arch.regs.ss = SEL_USER_DS;
    v->arch.regs.rflags = X86_FLAG_IF | 2;
    if (page_type_pin(b->d, root, PAGE_TYPE_L4) != 0 || pv_set_kernel_root(v, root) != 0)
        panic("dom0's first page tables are refused");
    v->is_initialised = true;
    for (unsigned i = 1; i < b->d->vcpu_max; i++)
        if (vcpu_create(b->d, i, i % cpu_count, &v) != 0)
            boot_refuse("out of memory for dom0's vCPU %u", i);
}

static void domain_make(struct dom0_builder *b, const struct dom0_mem_pages *memory)
{
    struct domain_config config = {.id = 0,
                                   .is_privileged = true,
                                   .vcpu_max = max_vcpus ? max_vcpus : cpu_count,
                                   .port_max = PORT_MAX,
                                   .grant_frame_max = GRANT_FRAMES,
                                   .maptrack_max = MAPTRACK_FRAMES,
                                   .grant_version_max = GRANT_VERSION,
                                   .memory_page_max = memory->max};

    if (domain_create(&config, &b->d) != 0)
        boot_refuse("out of memory for dom0's structures");
    control_domain = b->d;
    if (irq_domain_init(b->d) != 0)
        boot_refuse("out of memory for dom0's interrupts");
}

/* What dom0 can be given: free frames, and those of its images. */
static uint64_t available_pages(const struct boot_info *info, const struct dom0_kernel *kernel)
{
    uint64_t count = page_free_count() + kernel->unpacked_frame_count;

    for (unsigned i = 0; i < info->module_count && i < 2; i++)
        count += DIV_ROUND_UP(info->module[i].size, PAGE_SIZE);
    return count;
}

static void memory_plan(struct dom0_layout *l, const struct boot_info *info,
                        const struct dom0_kernel *kernel, struct dom0_mem_pages *memory)
{
    uint64_t initrd_bytes = info->module_count > 1 ? info->module[1].size : 0, needed = 0;
    char why[192];
    int err;

    if (dom0_mem_resolve(dom0_mem_requested(), page_total_count(), available_pages(info, kernel),
                         memory, why, sizeof(why)) != 0)
        boot_refuse("%s", why);
    err = dom0_layout_plan(l, kernel, memory->now, initrd_bytes, &needed);
    if (err == -ENOMEM)
        boot_refuse("dom0 needs at least %lu MiB for its kernel and initrd, but would get %lu MiB",
                    DIV_ROUND_UP(needed, 256), memory->now / 256);
    if (err)
        boot_refuse("dom0's kernel asks for addresses that cannot be laid out (base %#lx)",
                    l->virt_base);
}

void dom0_create(const struct boot_info *info)
{
    struct dom0_builder *b = &builder;
    static struct dom0_kernel kernel;
    struct dom0_mem_pages memory;
    mfn_t root;

    if (info->module_count == 0)
        boot_refuse("the boot loader passed no module: the first one must be dom0's kernel");
    dom0_kernel_read(&info->module[0], &kernel);
    memory_plan(&b->layout, info, &kernel, &memory);
    domain_make(b, &memory);
    dom0_memory_make(b, info, &kernel);
    root = dom0_tables_make(b);
    dom0_p2m_make(b);
    dom0_start_info_make(b, info, &kernel);
    vcpu_make(b, root, kernel.notes.entry);
    time_publish_wallclock(b->d);
    log_info("dom0: %lu MiB, %u vCPUs, kernel entry %#lx", b->layout.page_count / 256,
             b->d->vcpu_max, kernel.notes.entry);
    vcpu_start(b->d->vcpus[0], VCPU_STOP_DOWN);
    domain_unpause(b->d);
}
