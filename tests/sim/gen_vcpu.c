/* SPDX-License-Identifier: MIT */
/* vCPUs up and down, their timers, and the areas that they share with the hypervisor. */
#include "run.h"

#include <kr/errno.h>

#include <xen/xen.h>

#include <xen/sched.h>
#include <xen/vcpu.h>

#define NEAR_NS   300000
#define PERIOD_NS 1000000

static long vcpu_op(struct actor *a, unsigned op, unsigned vcpu, void *object, size_t size_bytes)
{
    uint64_t arg = object ? args_put(a, 0, object, size_bytes) : 0;

    return call(a, __HYPERVISOR_vcpu_op, op, vcpu, arg, 0, 0);
}

/* ---- up and down ------------------------------------------------------------------------------
 */

static void initialise(struct actor *a)
{
    unsigned vcpu = pick_vcpu(a);
    struct vcpu_guest_context c;

    context_fill(&c, vcpu, own_frame(a, SIM_PFN_TABLES));
    switch (pick(a, 12)) {
    case 0: c.ctrlreg[3] = pick_frame(a) << PAGE_SHIFT; break;
    case 1: c.user_regs.rip = pick_word(a); break;
    case 2:
        c.gdt_frames[0] = own_frame(a, SIM_PFN_GDT);
        c.gdt_ents = pick(a, 600);
        break;
    case 3: c.kernel_sp = pick_word(a); break;
    case 4: c.flags = pick_word(a) | VGCF_in_kernel; break;
    case 5: c.fs_base = pick_word(a); break;
    default: break;
    }
    if (call(a, __HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu, args_put(a, 0, &c, sizeof(c)), 0,
             0) == 0 &&
        !pick_one_in(a, 3))
        vcpu_op(a, VCPUOP_up, vcpu, NULL, 0);
}

static void up(struct actor *a)
{
    vcpu_op(a, VCPUOP_up, pick_vcpu(a), NULL, 0);
}

/* The domain ends with its last one: dom0's first stays. */
static void down(struct actor *a)
{
    unsigned vcpu = pick_vcpu(a);

    if ((vcpu == 0 && a->domain->is_privileged) || (vcpu == a->vcpu->id && !pick_one_in(a, 4)))
        return;
    vcpu_op(a, VCPUOP_down, vcpu, NULL, 0);
}

static void is_up(struct actor *a)
{
    vcpu_op(a, VCPUOP_is_up, pick_vcpu(a), NULL, 0);
}

static void send_nmi(struct actor *a)
{
    vcpu_op(a, VCPUOP_send_nmi, pick_vcpu(a), NULL, 0);
}

/* ---- areas ------------------------------------------------------------------------------------
 */

/* In the third quarter of an argument page: nobody else's. */
static uint64_t area_address(struct actor *a, unsigned vcpu)
{
    uint64_t va = sim_page_va(SIM_PFN_ARGS + 2 * (vcpu % SIM_VCPU_MAX) + 1) + 3 * PAGE_SIZE / 4;

    switch (pick(a, 8)) {
    case 0: return 0;
    case 1:
        /* Perhaps across the edge of a page, where something else is, or will be. */
        if (!is_reckless(a))
            break;
        a->model->scribbles = true;
        return sim_page_va(pick_pfn(a)) + PAGE_SIZE - pick(a, 64);
    case 2: return pick_word(a);
    case 3: return sim_page_va(SIM_PFN_TABLES) + 8 * pick(a, 512);
    default: break;
    }
    return va + 8 * pick(a, 32);
}

static void get_runstate(struct actor *a)
{
    struct vcpu_runstate_info info = {0};

    vcpu_op(a, VCPUOP_get_runstate_info, pick_vcpu(a), &info, sizeof(info));
}

static void register_runstate(struct actor *a)
{
    unsigned vcpu = pick_vcpu(a);
    struct vcpu_register_runstate_memory_area area = {.addr.p = area_address(a, vcpu)};

    vcpu_op(a, VCPUOP_register_runstate_memory_area, vcpu, &area, sizeof(area));
}

static void register_time(struct actor *a)
{
    unsigned vcpu = pick_vcpu(a);
    struct vcpu_register_time_memory_area area = {.addr.p = area_address(a, vcpu)};

    vcpu_op(a, VCPUOP_register_vcpu_time_memory_area, vcpu, &area, sizeof(area));
}

/* Once for each vCPU; where it is then is in v->info, which the upcall follows. */
static void register_info(struct actor *a)
{
    uint64_t pfn = page_take(a, USE_SHARED);
    struct vcpu_register_vcpu_info info = {.mfn = own_frame(a, pfn), .offset = 64 * pick(a, 64)};

    if (pick_one_in(a, 6))
        info.mfn = pick_frame(a);
    if (pick_one_in(a, 6))
        info.offset = pick(a, PAGE_SIZE + 64);
    if (vcpu_op(a, VCPUOP_register_vcpu_info, pick_one_in(a, 3) ? pick_vcpu(a) : a->vcpu->id, &info,
                sizeof(info)) != 0 &&
        pfn)
        a->model->memory.use[pfn] = USE_PLAIN;
}

/* ---- timers -----------------------------------------------------------------------------------
 */

static void set_periodic(struct actor *a)
{
    struct vcpu_set_periodic_timer set = {.period_ns = PERIOD_NS + pick(a, 4 * PERIOD_NS)};

    if (pick_one_in(a, 4))
        set.period_ns = pick_word(a);
    vcpu_op(a, VCPUOP_set_periodic_timer, pick_vcpu(a), &set, sizeof(set));
}

static void stop_periodic(struct actor *a)
{
    vcpu_op(a, VCPUOP_stop_periodic_timer, pick_vcpu(a), NULL, 0);
}

static void set_singleshot(struct actor *a)
{
    struct vcpu_set_singleshot_timer set = {.timeout_abs_ns = sim_time_ns() + pick(a, NEAR_NS),
                                            .flags = pick_one_in(a, 2) ? VCPU_SSHOTTMR_future : 0};

    if (pick_one_in(a, 4))
        set.timeout_abs_ns = pick_one_in(a, 2) ? pick_word(a) : sim_time_ns() - pick(a, NEAR_NS);
    vcpu_op(a, VCPUOP_set_singleshot_timer, pick_one_in(a, 4) ? pick_vcpu(a) : a->vcpu->id, &set,
            sizeof(set));
}

static void stop_singleshot(struct actor *a)
{
    vcpu_op(a, VCPUOP_stop_singleshot_timer, pick_one_in(a, 4) ? pick_vcpu(a) : a->vcpu->id, NULL,
            0);
}

const struct operation vcpu_operations[] = {
    {"initialise", GROUP_VCPU, 8, false, initialise},
    {"up", GROUP_VCPU, 4, false, up},
    {"down", GROUP_VCPU, 3, false, down},
    {"is_up", GROUP_VCPU, 2, false, is_up},
    {"get_runstate_info", GROUP_VCPU, 2, false, get_runstate},
    {"register_runstate", GROUP_VCPU, 3, false, register_runstate},
    {"register_vcpu_time", GROUP_VCPU, 3, false, register_time},
    {"register_vcpu_info", GROUP_VCPU, 3, false, register_info},
    {"set_periodic_timer", GROUP_VCPU, 3, false, set_periodic},
    {"stop_periodic_timer", GROUP_VCPU, 2, false, stop_periodic},
    {"set_singleshot_timer", GROUP_VCPU, 4, false, set_singleshot},
    {"stop_singleshot_timer", GROUP_VCPU, 2, false, stop_singleshot},
    {"send_nmi", GROUP_VCPU, 3, false, send_nmi},
    {0},
};
