/* SPDX-License-Identifier: MIT */
/* Parser of the PVH start information (xen/arch-x86/hvm/start_info.h). Pure. */
#include <kr/boot_info.h>
#include <kr/errno.h>
#include <kr/string.h>
#include <xen/arch-x86/hvm/start_info.h>

#define PVH_VERSION_0_SIZE offsetof(struct hvm_start_info, memmap_paddr)

static int pvh_memory(struct boot_info *info, const struct phys_window *w,
                      const struct hvm_start_info *si, struct boot_error *e)
{
    int err = 0;

    if (!si->memmap_entries || !si->memmap_paddr)
        return boot_fail(e, -EINVAL, "PVH: the loader passed no memory map");
    for (uint32_t i = 0; !err && i < si->memmap_entries; i++) {
        struct hvm_memmap_table_entry entry;
        const void *p = w->map(w, si->memmap_paddr + (uint64_t)i * sizeof(entry), sizeof(entry));

        if (!p)
            return boot_fail(e, -EFAULT, "PVH: memory map cannot be read");
        memcpy(&entry, p, sizeof(entry));
        err = boot_mem_add(info, entry.addr, entry.size, entry.type, e);
    }
    return err ? err : boot_mem_finish(info, e);
}

static int pvh_modules(struct boot_info *info, const struct phys_window *w,
                       const struct hvm_start_info *si, struct boot_error *e)
{
    int err = 0;

    for (uint32_t i = 0; !err && i < si->nr_modules; i++) {
        struct hvm_modlist_entry entry;
        const void *p = w->map(w, si->modlist_paddr + (uint64_t)i * sizeof(entry), sizeof(entry));

        if (!p)
            return boot_fail(e, -EFAULT, "PVH: module list cannot be read");
        memcpy(&entry, p, sizeof(entry));
        err = boot_module_add(info, entry.paddr, entry.size, w, entry.cmdline_paddr, e);
    }
    return err;
}

static int pvh_read(struct hvm_start_info *si, const struct phys_window *w, uint64_t pa,
                    struct boot_error *e)
{
    const void *p = w->map(w, pa, PVH_VERSION_0_SIZE);

    memset(si, 0, sizeof(*si));
    if (!p)
        return boot_fail(e, -EFAULT, "PVH: start information at 0x%llx cannot be read",
                         (unsigned long long)pa);
    memcpy(si, p, PVH_VERSION_0_SIZE);
    if (si->magic != XEN_HVM_START_MAGIC_VALUE)
        return boot_fail(e, -EINVAL, "PVH: start information has magic 0x%x", si->magic);
    if (si->version) {
        p = w->map(w, pa, sizeof(*si));
        if (!p)
            return boot_fail(e, -EFAULT, "PVH: start information is cut short");
        memcpy(si, p, sizeof(*si));
    }
    return 0;
}

int boot_parse_pvh(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                   struct boot_error *e)
{
    struct hvm_start_info si;
    int err;

    memset(info, 0, sizeof(*info));
    info->entry = BOOT_PVH;
    err = pvh_read(&si, w, pa, e);
    if (err)
        return err;
    info->rsdp_addr = si.rsdp_paddr;
    if (si.cmdline_paddr) {
        if (boot_copy_string(w, si.cmdline_paddr, info->cmdline, sizeof(info->cmdline),
                             &info->cmdline_cut))
            return boot_fail(e, -EFAULT, "PVH: command line cannot be read");
        boot_cmdline_strip(info);
    }
    err = pvh_memory(info, w, &si, e);
    return err ? err : pvh_modules(info, w, &si, e);
}
