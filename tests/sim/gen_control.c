/* SPDX-License-Identifier: MIT */
/* The control domain looks at other domains and changes them: every domctl, with arguments as tools
 * give them, on domains in any state. Making and ending domains is in gen_build.c. */
#include "gen_control.h"

#include <kr/cpu.h>
#include <kr/errno.h>

#include <xen/sched.h>

#include <string.h>

#define BUFFER_PIECE 2 /* of the arguments' page, and what is left of it from there */
#define BUFFER_BYTES (2 * PAGE_SIZE - BUFFER_PIECE * 512)
#define FRAMES_MAX   64
#define LEAVES_MAX   100
#define CAP_MAX      150

static uint64_t buffer(struct actor *a, unsigned piece)
{
    uint64_t word = 0;

    return pick_one_in(a, 64) ? args_put(a, piece, &word, 0) : args_page(a) + piece * 512UL;
}

static uint16_t target(struct actor *a)
{
    uint16_t id = pick_one_in(a, 12) ? pick_domain(a) : pick_other_domain(a);

    return id == DOMAIN_ID_INVALID ? pick_domain(a) : id;
}

static unsigned vcpu_of(struct actor *a)
{
    return pick_one_in(a, 16) ? (unsigned)pick_word(a) : pick(a, pick_one_in(a, 3) ? 3 : 1);
}

/* ---- one field or two -------------------------------------------------------------------------
 */

typedef void (*fill_fn)(struct actor *a, struct xen_domctl *op);

static void fill_nothing(struct actor *a, struct xen_domctl *op)
{
}

static void fill_max_mem(struct actor *a, struct xen_domctl *op)
{
    op->u.max_mem.max_memkb =
        pick_one_in(a, 16) ? pick_word(a) : (SIM_PAGES_MIN + pick(a, 256)) * 4;
}

static void fill_max_vcpus(struct actor *a, struct xen_domctl *op)
{
    op->u.max_vcpus.max = pick(a, 5);
}

static void fill_scheduler(struct actor *a, struct xen_domctl *op)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;

    s->sched_id = pick_one_in(a, 16) ? pick(a, 10) : XEN_SCHEDULER_CREDIT2;
    s->cmd = pick_one_in(a, 16)  ? pick(a, 8)
             : pick_one_in(a, 3) ? XEN_DOMCTL_SCHEDOP_getinfo
                                 : XEN_DOMCTL_SCHEDOP_putinfo;
    s->u.credit2.weight = pick_one_in(a, 4) ? pick_word(a) : 1 + pick(a, 1024);
    s->u.credit2.cap = pick_one_in(a, 2) ? 0 : pick_one_in(a, 4) ? UINT16_MAX : pick(a, CAP_MAX);
}

static void fill_handle(struct actor *a, struct xen_domctl *op)
{
    for (unsigned i = 0; i < sizeof(op->u.setdomainhandle.handle); i++)
        op->u.setdomainhandle.handle[i] = pick(a, 256);
}

static void fill_vcpu_info(struct actor *a, struct xen_domctl *op)
{
    op->u.getvcpuinfo.vcpu = vcpu_of(a);
}

static struct xenctl_bitmap cpu_map(struct actor *a, unsigned piece)
{
    uint64_t bits = pick_one_in(a, 2) ? pick_word(a) : BIT(pick(a, cpu_count)) | pick(a, 16);
    struct xenctl_bitmap map = {.nr_bits = pick_one_in(a, 16) ? pick(a, 512) : 64};

    map.bitmap.p = (void *)args_put(a, piece, &bits, sizeof(bits));
    return map;
}

static void fill_affinity(struct actor *a, struct xen_domctl *op)
{
    op->u.vcpuaffinity =
        (struct xen_domctl_vcpuaffinity){.vcpu = vcpu_of(a),
                                         .flags = pick_one_in(a, 16) ? pick(a, 16) : 1 + pick(a, 3),
                                         .cpumap_hard = cpu_map(a, 2),
                                         .cpumap_soft = cpu_map(a, 3)};
    if (pick_one_in(a, 4))
        op->u.vcpuaffinity.flags |= XEN_VCPUAFFINITY_FORCE;
}

static void fill_nodes(struct actor *a, struct xen_domctl *op)
{
    op->u.nodeaffinity.nodemap = cpu_map(a, 2);
}

static void fill_tsc(struct actor *a, struct xen_domctl *op)
{
    op->u.tsc_info.tsc_mode = pick(a, 4);
    op->u.tsc_info.gtsc_khz = pick_one_in(a, 2) ? 0 : pick_word(a);
    op->u.tsc_info.incarnation = pick(a, 8);
}

static void fill_trigger(struct actor *a, struct xen_domctl *op)
{
    op->u.sendtrigger.trigger = pick_one_in(a, 3) ? pick(a, 6) : XEN_DOMCTL_SENDTRIGGER_NMI;
    op->u.sendtrigger.vcpu = vcpu_of(a);
}

static void fill_address_size(struct actor *a, struct xen_domctl *op)
{
    op->u.address_size.size = pick_one_in(a, 3) ? pick(a, 128) : pick_one_in(a, 3) ? 32 : 64;
}

static void fill_ext_context(struct actor *a, struct xen_domctl *op)
{
    op->u.ext_vcpucontext.vcpu = vcpu_of(a);
    op->u.ext_vcpucontext.size = pick_one_in(a, 6) ? pick(a, 256) : sizeof(op->u.ext_vcpucontext);
    op->u.ext_vcpucontext.mcg_cap = pick_one_in(a, 3) ? pick_word(a) : 0;
    op->u.ext_vcpucontext.sysenter_callback_eip = pick_one_in(a, 6) ? pick_word(a) : 0;
}

static void fill_frames(struct actor *a, struct xen_domctl *op)
{
    unsigned count = 1 + pick(a, FRAMES_MAX);
    xen_pfn_t frames[FRAMES_MAX];

    for (unsigned i = 0; i < count; i++)
        frames[i] = pick_one_in(a, 12) ? pick_frame(a) : frame_of_domain(a, op->domain);
    op->u.getpageframeinfo3.num = pick_one_in(a, 20) ? pick_word(a) : count;
    op->u.getpageframeinfo3.array.p = (void *)args_put(a, 4, frames, count * sizeof(frames[0]));
}

static void fill_msrs(struct actor *a, struct xen_domctl *op)
{
    struct xen_domctl_vcpu_msr msr = {.index = pick_one_in(a, 8) ? pick_word(a) : 0xc0000103,
                                      .value = pick_one_in(a, 8) ? pick_word(a) : pick(a, 4096)};

    op->u.vcpu_msrs.vcpu = vcpu_of(a);
    op->u.vcpu_msrs.msr_count = pick_one_in(a, 6) ? pick(a, 4) : 1;
    if (!pick_one_in(a, 6))
        op->u.vcpu_msrs.msrs.p = (void *)args_put(a, 4, &msr, sizeof(msr));
}

static void fill_words(struct actor *a, struct xen_domctl *op)
{
    uint64_t words[4];

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = pick_one_in(a, 2) ? pick_word(a) : pick(a, 16);
    memcpy(&op->u, words, sizeof(words));
}

static const struct setting {
    uint32_t cmd;
    unsigned weight;
    fill_fn fill;
} settings[] = {
    {XEN_DOMCTL_getdomaininfo, 3, fill_nothing},
    {XEN_DOMCTL_max_mem, 3, fill_max_mem},
    {XEN_DOMCTL_max_vcpus, 1, fill_max_vcpus},
    {XEN_DOMCTL_scheduler_op, 5, fill_scheduler},
    {XEN_DOMCTL_setdomainhandle, 2, fill_handle},
    {XEN_DOMCTL_getvcpuinfo, 3, fill_vcpu_info},
    {XEN_DOMCTL_setvcpuaffinity, 6, fill_affinity},
    {XEN_DOMCTL_getvcpuaffinity, 3, fill_affinity},
    {XEN_DOMCTL_setnodeaffinity, 1, fill_nodes},
    {XEN_DOMCTL_getnodeaffinity, 1, fill_nodes},
    {XEN_DOMCTL_gettscinfo, 2, fill_tsc},
    {XEN_DOMCTL_settscinfo, 2, fill_tsc},
    {XEN_DOMCTL_sendtrigger, 3, fill_trigger},
    {XEN_DOMCTL_set_address_size, 1, fill_address_size},
    {XEN_DOMCTL_get_address_size, 1, fill_address_size},
    {XEN_DOMCTL_set_ext_vcpucontext, 1, fill_ext_context},
    {XEN_DOMCTL_get_ext_vcpucontext, 1, fill_ext_context},
    {XEN_DOMCTL_getpageframeinfo3, 4, fill_frames},
    {XEN_DOMCTL_get_vcpu_msrs, 2, fill_msrs},
    {XEN_DOMCTL_set_vcpu_msrs, 3, fill_msrs},
    {XEN_DOMCTL_resumedomain, 4, fill_nothing},
    {XEN_DOMCTL_irq_permission, 1, fill_words},
    {XEN_DOMCTL_iomem_permission, 1, fill_words},
    {XEN_DOMCTL_ioport_permission, 1, fill_words},
    {XEN_DOMCTL_memory_mapping, 1, fill_words},
    {XEN_DOMCTL_ioport_mapping, 1, fill_words},
    {XEN_DOMCTL_shadow_op, 1, fill_words},
    {XEN_DOMCTL_assign_device, 1, fill_words},
    {XEN_DOMCTL_test_assign_device, 1, fill_words},
    {XEN_DOMCTL_deassign_device, 1, fill_words},
    {XEN_DOMCTL_get_device_group, 1, fill_words},
    {XEN_DOMCTL_get_paging_mempool_size, 1, fill_words},
    {XEN_DOMCTL_set_paging_mempool_size, 1, fill_words},
};

static void set(struct actor *a)
{
    struct xen_domctl op = {.domain = target(a)};
    unsigned total = 0, at, i = 0;

    for (unsigned n = 0; n < ARRAY_SIZE(settings); n++)
        total += settings[n].weight;
    for (at = pick(a, total); at >= settings[i].weight; i++)
        at -= settings[i].weight;
    settings[i].fill(a, &op);
    domctl(a, settings[i].cmd, op.domain, &op);
}

/* ---- state of vCPUs ---------------------------------------------------------------------------
 */

/* As for saving and restoring: read, perhaps changed, written back. */
static void context(struct actor *a)
{
    uint16_t id = target(a);
    unsigned vcpu = vcpu_of(a);
    bool pauses = !pick_one_in(a, 4);
    struct xen_domctl op = {0};
    long rc;

    if (pauses)
        domctl(a, XEN_DOMCTL_pausedomain, id, &op);
    op.u.vcpucontext.vcpu = vcpu;
    op.u.vcpucontext.ctxt.p = (void *)buffer(a, BUFFER_PIECE);
    rc = domctl(a, XEN_DOMCTL_getvcpucontext, id, &op);
    if (rc == 0 && pick_one_in(a, 8)) {
        uint64_t word = pick_word(a);

        sim_guest_write(a->guest,
                        args_page(a) + BUFFER_PIECE * 512 +
                            pick(a, sizeof(struct vcpu_guest_context) / 8) * 8,
                        &word, sizeof(word));
    }
    op.u.vcpucontext.vcpu = vcpu;
    op.u.vcpucontext.ctxt.p = pick_one_in(a, 30) ? NULL : (void *)buffer(a, BUFFER_PIECE);
    if (rc == 0)
        domctl(a, XEN_DOMCTL_setvcpucontext, id, &op);
    if (pauses)
        domctl(a, XEN_DOMCTL_unpausedomain, id, &op);
}

static void extended_state(struct actor *a)
{
    uint16_t id = target(a);
    struct xen_domctl op = {.u.vcpuextstate.vcpu = vcpu_of(a)};
    struct xen_domctl_vcpuextstate *s = &op.u.vcpuextstate;

    if (domctl(a, XEN_DOMCTL_getvcpuextstate, id, &op) != 0 || s->size > BUFFER_BYTES)
        return;
    s->buffer.p = (void *)buffer(a, BUFFER_PIECE);
    if (pick_one_in(a, 16))
        s->size = pick(a, BUFFER_BYTES);
    if (domctl(a, XEN_DOMCTL_getvcpuextstate, id, &op) != 0)
        return;
    if (pick_one_in(a, 8)) {
        uint64_t word = pick_word(a);

        sim_guest_write(a->guest, args_page(a) + BUFFER_PIECE * 512 + pick(a, 80) * 8, &word,
                        sizeof(word));
    }
    if (pick_one_in(a, 16))
        s->size = pick_word(a);
    domctl(a, XEN_DOMCTL_setvcpuextstate, id, &op);
}

/* The domain's policy, some of its leaves written back: only to one that was not started. */
static void policy(struct actor *a)
{
    uint16_t id = target(a);
    struct xen_domctl op = {.u.cpu_policy = {.nr_leaves = LEAVES_MAX, .nr_msrs = 4}};
    struct xen_domctl_cpu_policy *p = &op.u.cpu_policy;

    if (pick_one_in(a, 8))
        p->nr_leaves = pick(a, LEAVES_MAX);
    p->leaves.p = (void *)buffer(a, BUFFER_PIECE);
    p->msrs.p = (void *)buffer(a, 14);
    if (domctl(a, XEN_DOMCTL_get_cpu_policy, id, &op) != 0)
        return;
    if (pick_one_in(a, 2))
        p->nr_leaves = pick(a, p->nr_leaves + 2);
    if (pick_one_in(a, 4)) {
        uint32_t word = pick_word(a);

        sim_guest_write(a->guest, args_page(a) + BUFFER_PIECE * 512 + pick(a, 200) * 4, &word,
                        sizeof(word));
    }
    domctl(a, XEN_DOMCTL_set_cpu_policy, id, &op);
}

/* ---- their lives ------------------------------------------------------------------------------
 */

static void remote_shutdown(struct actor *a)
{
    struct sched_remote_shutdown s = {.domain_id = target(a),
                                      .reason = pick_one_in(a, 8) ? pick_word(a) : pick(a, 6)};

    if (s.domain_id == a->domain->id || s.domain_id == DOMID_SELF)
        return;
    a->is_careful = true; /* zeros elsewhere would mean dom0 */
    trace_note(a, "remote shutdown", s.domain_id, s.reason,
               call_struct(a, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &s, sizeof(s)));
    a->is_careful = false;
}

static void pause_for_a_while(struct actor *a)
{
    struct xen_domctl op = {0};

    domctl(a, pick_one_in(a, 3) ? XEN_DOMCTL_pausedomain : XEN_DOMCTL_unpausedomain, target(a),
           &op);
}

const struct operation control_operations[] = {
    {"domctl", GROUP_CONTROL, 16, true, set},
    {"vcpu context", GROUP_CONTROL, 5, true, context},
    {"extended state", GROUP_CONTROL, 2, true, extended_state},
    {"cpu policy", GROUP_CONTROL, 2, true, policy},
    {"remote shutdown", GROUP_CONTROL, 1, true, remote_shutdown},
    {"pause or unpause", GROUP_CONTROL, 4, true, pause_for_a_while},
    {0},
};
