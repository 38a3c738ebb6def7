/* SPDX-License-Identifier: MIT */
/* What the calls refuse that any domain may make, and calls that are cut in the middle. */
#include "faults_script.h"
#include "run.h"

#include <kr/errno.h>

#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define NO_DOMAIN     5000
#define NONSENSE      99
#define WATCHDOG_S    1000000
#define WATCHDOGS     2   /* of a domain */
#define TEXT_BYTES    300 /* more than console_io does at once */
#define TEXT_AT_ONCE  256
#define CONSOLE_WRITE 0
#define CONSOLE_READ  1
#define LIST_PIECE    2 /* of the page for arguments */

/* ---- one call, one answer ---------------------------------------------------------------------
 */

struct refusal {
    const char *what;
    long expected;
    unsigned nr;
    uint64_t args[3];
    const void *object; /* NULL: the arguments are as they are */
    size_t size_bytes;
    unsigned object_arg; /* the argument that is to be its address */
};

#define PLAIN(text, rc, call, ...)                                                       \
    {                                                                                    \
        .what = text, .expected = rc, .nr = __HYPERVISOR_##call, .args = { __VA_ARGS__ } \
    }
#define OBJECT(text, rc, call, number, at, type, ...)                                   \
    {                                                                                   \
        .what = text, .expected = rc, .nr = __HYPERVISOR_##call, .args = {number},      \
        .object = &(const struct type){__VA_ARGS__}, .size_bytes = sizeof(struct type), \
        .object_arg = at                                                                \
    }

#define SCHED(text, rc, number, type, ...) \
    OBJECT(text, rc, sched_op, SCHEDOP_##number, 1, type, __VA_ARGS__)
#define SCHED_NOWHERE(number) \
    PLAIN(#number " from nowhere", -EFAULT, sched_op, SCHEDOP_##number, (uint64_t)NOWHERE)
#define VCPU(text, rc, number, type, ...) \
    OBJECT(text, rc, vcpu_op, VCPUOP_##number, 2, type, __VA_ARGS__)
#define VCPU_NOWHERE(number) \
    PLAIN(#number " from nowhere", -EFAULT, vcpu_op, VCPUOP_##number, 0, (uint64_t)NOWHERE)
#define MEMORY(text, rc, number, type, ...) \
    OBJECT(text, rc, memory_op, XENMEM_##number, 1, type, __VA_ARGS__)
#define MEMORY_NOWHERE(number) \
    PLAIN(#number " from nowhere", -EFAULT, memory_op, XENMEM_##number, (uint64_t)NOWHERE)
#define VERSION(text, rc, number, type, ...) \
    OBJECT(text, rc, xen_version, XENVER_##number, 1, type, __VA_ARGS__)
#define VERSION_NOWHERE(number) \
    PLAIN(#number " from nowhere", -EFAULT, xen_version, XENVER_##number, (uint64_t)NOWHERE)

static const struct refusal refusals[] = {
    {.what = "a hypercall between others", .expected = -ENOSYS, .nr = 63},
    {.what = "a hypercall beyond all", .expected = -ENOSYS, .nr = 64},

    SCHED_NOWHERE(shutdown),
    SCHED("shutdown for no reason", -EINVAL, shutdown, sched_shutdown, .reason = NONSENSE),
    SCHED_NOWHERE(poll),
    SCHED("poll of too many ports", -EINVAL, poll, sched_poll, .nr_ports = 129),
    SCHED("poll of ports from nowhere", -EFAULT, poll, sched_poll, .nr_ports = 1,
          .ports.p = NOWHERE),
    SCHED_NOWHERE(remote_shutdown),
    SCHED("another's shutdown for no reason", -EINVAL, remote_shutdown, sched_remote_shutdown,
          .reason = NONSENSE),
    SCHED("nobody's shutdown", -ESRCH, remote_shutdown, sched_remote_shutdown,
          .domain_id = NO_DOMAIN),
    SCHED_NOWHERE(shutdown_code),
    SCHED("code of no reason", -EINVAL, shutdown_code, sched_shutdown, .reason = NONSENSE),
    SCHED_NOWHERE(watchdog),
    SCHED("no watchdog's end", -EINVAL, watchdog, sched_watchdog, .id = 0),
    SCHED("end of a watchdog that is not", -EINVAL, watchdog, sched_watchdog, .id = 1),
    SCHED_NOWHERE(pin_override),
    PLAIN("no sched_op", -ENOSYS, sched_op, NONSENSE),

    VCPU_NOWHERE(register_runstate_memory_area),
    VCPU("runstate to nowhere", -EFAULT, register_runstate_memory_area,
         vcpu_register_runstate_memory_area, .addr.p = (uint64_t)NOWHERE),
    VCPU_NOWHERE(set_periodic_timer),
    VCPU("no period", -EINVAL, set_periodic_timer, vcpu_set_periodic_timer, .period_ns = 1),
    VCPU_NOWHERE(set_singleshot_timer),
    VCPU("a time that is over", -ETIME, set_singleshot_timer, vcpu_set_singleshot_timer,
         .timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future),
    VCPU_NOWHERE(register_vcpu_info),
    VCPU_NOWHERE(register_vcpu_time_memory_area),
    PLAIN("a vCPU initialised twice", -EEXIST, vcpu_op, VCPUOP_initialise, 0, (uint64_t)NOWHERE),
    PLAIN("no vcpu_op", -ENOSYS, vcpu_op, NONSENSE),
    PLAIN("no vCPU", -ENOENT, vcpu_op, VCPUOP_is_up, NONSENSE),
    PLAIN("no helper", -EINVAL, vm_assist, VMASST_CMD_enable, 63),
    PLAIN("a helper neither on nor off", -ENOSYS, vm_assist, NONSENSE,
          VMASST_TYPE_writable_pagetables),

    /* Of a list it is said how far it came. */
    MEMORY("pages from nowhere given back", 0, decrease_reservation, xen_memory_reservation,
           .nr_extents = 1, .domid = DOMID_SELF, .extent_start.p = NOWHERE),
    MEMORY("pages at nowhere populated", 0, populate_physmap, xen_memory_reservation,
           .nr_extents = 1, .domid = DOMID_SELF, .extent_start.p = NOWHERE),
    MEMORY_NOWHERE(decrease_reservation),
    MEMORY_NOWHERE(exchange),
    MEMORY("exchange of a list from nowhere", -EFAULT, exchange, xen_memory_exchange,
           .in = {.nr_extents = 1, .domid = DOMID_SELF, .extent_start.p = NOWHERE},
           .out = {.nr_extents = 1, .domid = DOMID_SELF, .extent_start.p = NOWHERE}),
    MEMORY("exchange for a list from nowhere", -EFAULT, exchange, xen_memory_exchange,
           .in = {.nr_extents = 1, .domid = DOMID_SELF, .extent_start.p = READONLY_L1},
           .out = {.nr_extents = 1, .domid = DOMID_SELF, .extent_start.p = NOWHERE}),
    MEMORY_NOWHERE(current_reservation),
    MEMORY_NOWHERE(get_pod_target),
    MEMORY_NOWHERE(claim_pages),
    MEMORY_NOWHERE(acquire_resource),
    MEMORY("the caller's frames of grants", -ESRCH, acquire_resource, xen_mem_acquire_resource,
           .domid = DOMID_SELF, .type = XENMEM_resource_grant_table),
    MEMORY("the same by its number", -EPERM, acquire_resource, xen_mem_acquire_resource, .domid = 0,
           .type = XENMEM_resource_grant_table),

    VERSION_NOWHERE(get_features),
    VERSION("features of no map", -EINVAL, get_features, xen_feature_info, .submap_idx = NONSENSE),
    VERSION_NOWHERE(build_id),
    VERSION("build id without room", -EINVAL, build_id, xen_build_id, .len = 0),
    VERSION("build id in too little room", -ENOBUFS, build_id, xen_build_id, .len = 1),
    PLAIN("no xen_version", -ENOSYS, xen_version, NONSENSE),

    PLAIN("text from nowhere", -EFAULT, console_io, CONSOLE_WRITE, 1, (uint64_t)NOWHERE),
    PLAIN("text to nowhere", -EFAULT, console_io, CONSOLE_READ, 16, (uint64_t)NOWHERE),
    PLAIN("less than no text", -EINVAL, console_io, CONSOLE_WRITE, UINT32_MAX),
    PLAIN("no console_io", -ENOSYS, console_io, NONSENSE),

    PLAIN("list of calls from nowhere", -EFAULT, multicall, (uint64_t)NOWHERE, 1),
    PLAIN("results into a page table", -EFAULT, multicall, (uint64_t)READONLY_L1, 1),
};

static void calls_refused(struct actor *a)
{
    for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
        const struct refusal *r = &refusals[i];
        uint64_t args[3] = {r->args[0], r->args[1], r->args[2]};

        if (r->object)
            args[r->object_arg] = args_put(a, 0, r->object, r->size_bytes);
        script_expect(r->what, call(a, r->nr, args[0], args[1], args[2], 0, 0), r->expected);
    }
}

/* ---- what takes more than one call ------------------------------------------------------------
 */

static void poll_refuses(struct actor *a)
{
    evtchn_port_t port = UINT32_MAX;
    struct sched_poll poll = {.nr_ports = 1};

    poll.ports.p = (void *)args_put(a, 1, &port, sizeof(port));
    script_expect("poll of a port beyond all",
                  call_struct(a, __HYPERVISOR_sched_op, SCHEDOP_poll, &poll, sizeof(poll)),
                  -EINVAL);
}

static long resource(struct actor *a, struct xen_mem_acquire_resource *r)
{
    return call_struct(a, __HYPERVISOR_memory_op, XENMEM_acquire_resource, r, sizeof(*r));
}

static void resource_refuses(struct actor *a)
{
    struct xen_mem_acquire_resource r = {.domid = script_guest(),
                                         .type = XENMEM_resource_grant_table,
                                         .nr_frames = 1,
                                         .frame_list.p = NOWHERE};

    script_expect("frames of grants to nowhere", resource(a, &r), -EFAULT);
    r.id = NONSENSE;
    script_expect("frames of something else", resource(a, &r), -EINVAL);
    r.id = XENMEM_resource_grant_table_id_shared;
    r.frame = UINT64_MAX;
    script_expect("frames beyond all", resource(a, &r), -EINVAL);
    r.type = XENMEM_resource_ioreq_server;
    script_expect("a resource of other domains", resource(a, &r), -EINVAL);
    r.type = NONSENSE;
    script_expect("a resource of none", resource(a, &r), -EOPNOTSUPP);
    r.pad = NONSENSE;
    script_expect("a resource with a word too many", resource(a, &r), -EINVAL);
}

static long watchdog(struct actor *a, uint32_t id, uint32_t timeout_s)
{
    struct sched_watchdog w = {.id = id, .timeout = timeout_s};

    return call_struct(a, __HYPERVISOR_sched_op, SCHEDOP_watchdog, &w, sizeof(w));
}

static void watchdogs_run_out(struct actor *a)
{
    for (unsigned id = 1; id <= WATCHDOGS; id++)
        script_expect("a watchdog", watchdog(a, 0, WATCHDOG_S), id);
    script_expect("one watchdog too many", watchdog(a, 0, WATCHDOG_S), -ENOSPC);
    for (unsigned id = 1; id <= WATCHDOGS; id++)
        script_expect("a watchdog's end", watchdog(a, id, 0), 0);
}

/* A domain that is about to end, for a moment in which the checkers do not look. */
static void dying_refuses(struct actor *a)
{
    const struct sched_watchdog w = {.timeout = WATCHDOG_S};
    const uint64_t args[6] = {SCHEDOP_watchdog, args_put(a, 0, &w, sizeof(w))};
    long rc;

    a->domain->is_dying = true;
    rc = sim_hypercall(a->guest, __HYPERVISOR_sched_op, args);
    a->domain->is_dying = false;
    script_expect("a dying domain's watchdog", rc, -EINVAL);
}

/* What was exchanged, and how far it came, cannot be told. */
static void exchange_untold(struct actor *a)
{
    uint64_t in = SIM_PAGES_MAX, out = SIM_PAGES_MAX;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    struct xen_memory_exchange x = {.in = {.domid = DOMID_SELF}, .out = {.domid = DOMID_SELF}};

    script_expect("exchange of nothing, untold",
                  call(a, __HYPERVISOR_memory_op, XENMEM_exchange,
                       script_readonly(a, &x, sizeof(x)), 0, 0, 0),
                  -EFAULT);
    r.extent_start.p = (void *)args_put(a, LIST_PIECE, &in, sizeof(in));
    script_expect("a page more",
                  call_struct(a, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r, sizeof(r)),
                  1);
    x.in.nr_extents = x.out.nr_extents = 1;
    x.in.extent_start.p = r.extent_start.p;
    x.out.extent_start.p = (void *)script_readonly(a, &out, sizeof(out));
    script_expect("exchange of a page, untold",
                  call_struct(a, __HYPERVISOR_memory_op, XENMEM_exchange, &x, sizeof(x)), -EFAULT);
}

/* Its room is at the very end of what is mapped, or behind that. */
static void build_id_at_end(struct actor *a)
{
    uint64_t end = sim_page_va(a->model->page_count);
    struct xen_build_id id = {.len = 64};
    long size = call(a, __HYPERVISOR_xen_version, XENVER_build_id, 0, 0, 0, 0);

    RULE("script", size > 0, "there is no build id: %ld", size);
    sim_guest_write(a->guest, end - sizeof(id) - size, &id, sizeof(id));
    script_expect(
        "build id",
        call(a, __HYPERVISOR_xen_version, XENVER_build_id, end - sizeof(id) - size, 0, 0, 0), size);
    sim_guest_write(a->guest, end - sizeof(id), &id, sizeof(id));
    script_expect("build id behind the end",
                  call(a, __HYPERVISOR_xen_version, XENVER_build_id, end - sizeof(id), 0, 0, 0),
                  -EFAULT);
}

/* ---- calls that are cut -----------------------------------------------------------------------
 */

/* With every preemption check in it saying stop. */
static long call_cut(struct actor *a, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
    uint64_t yields = run.yields;
    long rc;

    run.always_yields = true;
    rc = call(a, nr, a0, a1, a2, 0, 0);
    run.always_yields = false;
    RULE("script", run.yields > yields, "hypercall %u was not cut", nr);
    return rc;
}

static uint64_t text_put(struct actor *a)
{
    char text[TEXT_BYTES];

    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = i % 60 == 59 ? '\n' : 'x';
    return args_put(a, 0, text, sizeof(text));
}

static void text_and_grants_cut(struct actor *a)
{
    struct gnttab_swap_grant_ref swap[2] = {{.ref_a = 8, .ref_b = 8}, {.ref_a = 9, .ref_b = 9}};

    script_expect("text in pieces",
                  call_cut(a, __HYPERVISOR_console_io, CONSOLE_WRITE, TEXT_BYTES, text_put(a)), 0);
    script_expect("grants swapped one by one",
                  call_cut(a, __HYPERVISOR_grant_table_op, GNTTABOP_swap_grant_ref,
                           args_put(a, 0, swap, sizeof(swap)), 2),
                  0);
}

/* What remains of the entry's call stands in the entry. */
static void multicall_cut(struct actor *a)
{
    struct multicall_entry entry = {.op = __HYPERVISOR_console_io,
                                    .result = NONSENSE,
                                    .args = {CONSOLE_WRITE, TEXT_BYTES, text_put(a)}};
    uint64_t list = args_put(a, LIST_PIECE, &entry, sizeof(entry));

    script_expect("a list's call in pieces", call_cut(a, __HYPERVISOR_multicall, list, 1, 0), 0);
    args_get(a, LIST_PIECE, &entry, sizeof(entry));
    script_expect("its result", entry.result, 0);
    script_expect("its last piece", entry.args[1], TEXT_BYTES - TEXT_AT_ONCE);

    entry.args[1] = TEXT_BYTES;
    entry.args[2] = text_put(a);
    script_expect(
        "the rest of a call into a page that is read-only",
        call_cut(a, __HYPERVISOR_multicall, script_readonly(a, &entry, sizeof(entry)), 1, 0),
        -EFAULT);
}

static void multicall_cut_between(struct actor *a)
{
    const struct multicall_entry entry = {
        .op = __HYPERVISOR_xen_version, .result = NONSENSE, .args = {NONSENSE}};
    struct multicall_entry list[2] = {entry, entry};

    script_expect("a list cut between calls",
                  call_cut(a, __HYPERVISOR_multicall, args_put(a, LIST_PIECE, list, sizeof(list)),
                           ARRAY_SIZE(list), 0),
                  0);
    args_get(a, LIST_PIECE, list, sizeof(list));
    for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
        script_expect("result of a call of it", list[i].result, -ENOSYS);
}

static void multicall_in_itself(struct actor *a)
{
    struct multicall_entry entry = {.op = __HYPERVISOR_multicall, .result = NONSENSE};

    script_expect(
        "a list with a list",
        call(a, __HYPERVISOR_multicall, args_put(a, LIST_PIECE, &entry, sizeof(entry)), 1, 0, 0, 0),
        0);
    args_get(a, LIST_PIECE, &entry, sizeof(entry));
    script_expect("the list in it", entry.result, -EINVAL);
}

static void others_refuse(struct actor *a)
{
    a->is_careful = true;
    calls_refused(a);
    poll_refuses(a);
    resource_refuses(a);
    watchdogs_run_out(a);
    dying_refuses(a);
    exchange_untold(a);
    build_id_at_end(a);
    text_and_grants_cut(a);
    multicall_cut(a);
    multicall_cut_between(a);
    multicall_in_itself(a);
    a->is_careful = false;
}

const struct faults_script guest_refusal_scripts[] = {
    {"other hypercalls refuse", false, others_refuse},
    {0},
};
