/* SPDX-License-Identifier: MIT */
/* SOURCES: core/domain_life.c core/page.c lib/printf.c tests/unit/fake/memory.c */
/* SOURCES: tests/unit/fake/heap.c tests/unit/fake/lock.c tests/unit/fake/log.c */
/*
 * Domains: ids and references, creation with every allocation failing in turn, pause counts,
 * shutdown, destruction in steps, and those that stay because somebody maps their memory. The
 * scheduler, events, grants and the port are stand-ins that count.
 */
#include "unit.h"
#include <setjmp.h>
#include <string.h>

#include "fake/heap.h"
#include "fake/log.h"
#include "fake/memory.h"

/* The arena has its own list of accounts, which the checker uses. */
#define domain_memory_of   domain_memory_of_real
#define domain_memory_gone domain_memory_gone_real
#include "../../core/domain.c"
#undef domain_memory_of
#undef domain_memory_gone
#include "../../core/domain_internal.h"

#include <kr/memory.h>

#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/xen.h>

#define RAM_FIRST 0x100
#define RAM_COUNT 0x400

_Thread_local struct cpu fake_cpu;
static struct domain_memory no_memory[8];
static void *arch_part[8];
static unsigned global_virqs[EVENT_VIRQ_COUNT], arch_parts, event_parts, grant_parts;
static unsigned restarts; /* how often each bounded step still wants to be called again */
static uint64_t free_at_start;
static unsigned objects_at_start;
static jmp_buf machine_end;
static const char *machine_ended_by;

/* ---- stand-ins --------------------------------------------------------------------------------
 */

uint64_t arch_time_ns(void)
{
    return 1;
}

void cpu_raise_work(struct cpu *cpu, uint32_t work)
{
    cpu->work |= work;
}

void timer_init(struct timer *t, timer_fn fn, unsigned cpu)
{
    *t = (struct timer){.fn = fn};
}

void timer_set(struct timer *t, uint64_t deadline_ns)
{
    t->queued = true;
}

void timer_fini(struct timer *t)
{
    t->queued = false;
}

void time_publish_wallclock(struct domain *d)
{
}

void sched_domain_init(struct domain *d)
{
}

void sched_domain_fini(struct domain *d)
{
}

void vcpu_stop(struct vcpu *v, uint32_t reason)
{
    v->sched.stop |= reason;
}

void vcpu_start(struct vcpu *v, uint32_t reason)
{
    v->sched.stop &= ~reason;
}

void vcpu_stop_sync(struct vcpu *v, uint32_t reason)
{
    vcpu_stop(v, reason);
}

void vcpu_destroy(struct vcpu *v)
{
    assert_true(v->sched.stop & VCPU_STOP_DOMAIN);
    heap_free(v);
}

void memory_claim_drop(struct domain *d)
{
}

int arch_domain_create(struct domain *d)
{
    void *part = heap_alloc_for(&d->memory, 100);

    memory_fake_domain(&d->memory);
    if (!part)
        return -ENOMEM;
    arch_part[d->id] = part;
    arch_parts++;
    return 0;
}

void arch_domain_destroy(struct domain *d)
{
    heap_free(arch_part[d->id]);
    arch_parts--;
}

static int once_more(void)
{
    return restarts > 0 && restarts-- % 2 ? -ERESTART : 0;
}

int arch_domain_relinquish(struct domain *d)
{
    return once_more();
}

void arch_frame_expose(struct domain *d, mfn_t mfn)
{
    page_expose(&d->memory, mfn, 0);
}

void arch_frame_conceal(struct domain *d, mfn_t mfn)
{
    memory_fake_domain(&d->memory);
    page_conceal(&d->memory, mfn);
}

void arch_frame_unpin(mfn_t mfn)
{
    page_put(page_of(mfn));
}

void arch_vcpu_dump(struct vcpu *v)
{
}

int event_domain_init(struct domain *d, uint32_t port_max)
{
    d->events.groups = heap_alloc_for(&d->memory, 64);
    event_parts += d->events.groups != NULL;
    return d->events.groups ? 0 : -ENOMEM;
}

int event_domain_fini(struct domain *d)
{
    return once_more();
}

void event_domain_free(struct domain *d)
{
    heap_free(d->events.groups);
    event_parts--;
}

void event_vcpu_fini(struct vcpu *v)
{
}

void event_raise_global_virq(unsigned virq)
{
    global_virqs[virq]++;
}

int grant_domain_init(struct domain *d, uint32_t frame_max, uint32_t maptrack_max, unsigned version)
{
    d->grants = heap_alloc_for(&d->memory, 64);
    grant_parts += d->grants != NULL;
    return d->grants ? 0 : -ENOMEM;
}

int grant_domain_fini(struct domain *d)
{
    return once_more();
}

void grant_domain_free(struct domain *d)
{
    heap_free(d->grants);
    grant_parts--;
}

void arch_machine_halt(void)
{
    machine_ended_by = "halt";
    longjmp(machine_end, 1);
}

void arch_machine_reboot(void)
{
    machine_ended_by = "reboot";
    longjmp(machine_end, 1);
}

void machine_restart_after_crash(void)
{
    machine_ended_by = "crash";
    longjmp(machine_end, 1);
}

/* ---- the frame of a test ----------------------------------------------------------------------
 */

static int setup(void **state)
{
    memory_fake_start(RAM_FIRST + RAM_COUNT);
    page_range_add(RAM_FIRST, RAM_COUNT, PAGE_RANGE_FREE);
    memset(&fake_cpu, 0, sizeof(fake_cpu));
    memset(global_virqs, 0, sizeof(global_virqs));
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        heap_free(leaves[i]);
        leaves[i] = NULL;
    }
    free_at_start = page_free_count();
    objects_at_start = fake_heap_live_count;
    restarts = 0;
    control_domain = NULL;
    memory_fake_gone = domain_memory_gone_real;
    fake_log_reset();
    return 0;
}

static void forget_account(unsigned id)
{
    domain_memory_init(&no_memory[id], id, 0);
    memory_fake_domain(&no_memory[id]);
}

static int teardown(void **state)
{
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        heap_free(leaves[i]);
        leaves[i] = NULL;
    }
    memory_fake_check();
    assert_int_equal(page_free_count(), free_at_start);
    assert_int_equal(fake_heap_live_count, objects_at_start);
    assert_int_equal(fake_locks_held, 0);
    assert_int_equal(arch_parts + event_parts + grant_parts, 0);
    memory_fake_stop();
    return 0;
}

static struct domain_config config_of(uint16_t id)
{
    return (struct domain_config){.id = id,
                                  .vcpu_max = 2,
                                  .port_max = 1024,
                                  .grant_frame_max = 4,
                                  .maptrack_max = 4,
                                  .grant_version_max = 2,
                                  .memory_page_max = 10000};
}

static struct domain *make(uint16_t id)
{
    struct domain_config config = config_of(id);
    struct domain *d;

    assert_int_equal(domain_create(&config, &d), 0);
    return d;
}

static struct vcpu *give_vcpu(struct domain *d, unsigned id)
{
    struct vcpu *v = heap_zalloc_for(&d->memory, sizeof(*v));

    v->domain = d;
    v->id = id;
    v->info_mfn = MFN_INVALID;
    v->sched.stop = VCPU_STOP_DOMAIN;
    d->vcpus[id] = v;
    return v;
}

static void reap(void)
{
    assert_int_equal(fake_cpu.work, CPU_WORK_REAP);
    fake_cpu.work = 0;
    domain_reap();
}

/* As the control call does it: a reference, as often as it asks for, and the exit path's work. */
static void destroy(struct domain *d)
{
    uint16_t id = d->id;

    assert_true(domain_try_get(d));
    while (domain_destroy(d) == -ERESTART)
        ;
    domain_put(d);
    if (fake_cpu.work & CPU_WORK_REAP)
        reap();
    if (!find(id))
        forget_account(id);
}

/* ---- ids and references -----------------------------------------------------------------------
 */

static void found_by_id_with_a_reference(void **state)
{
    struct domain *d = make(5);

    assert_null(domain_get(4));
    assert_null(domain_get(DOMAIN_ID_SELF));
    assert_null(domain_get(0xffff));
    assert_ptr_equal(domain_get(5), d);
    assert_int_equal(d->refs, 2);
    domain_put(d);
    assert_int_equal(d->refs, 1);
    destroy(d);
    assert_null(domain_get(5));
}

static void listed_in_ascending_order(void **state)
{
    static const uint16_t ids[] = {3, 1, 6};
    struct domain *d[3];

    for (unsigned i = 0; i < 3; i++)
        d[i] = make(ids[i]);
    assert_int_equal(domain_free_id(1), 2);
    assert_int_equal(domain_free_id(3), 4);
    assert_int_equal(domain_free_id(DOMAIN_ID_FIRST_RESERVED - 1), DOMAIN_ID_FIRST_RESERVED - 1);
    assert_int_equal(domain_free_id(DOMAIN_ID_FIRST_RESERVED), DOMAIN_ID_INVALID);
    assert_ptr_equal(domain_get_next(0), d[1]);
    assert_ptr_equal(domain_get_next(2), d[0]);
    assert_ptr_equal(domain_get_next(4), d[2]);
    assert_null(domain_get_next(7));
    for (unsigned i = 0; i < 3; i++)
        domain_put(d[i]);
    for (unsigned i = 0; i < 3; i++)
        destroy(d[i]);
}

static void bad_and_taken_ids_are_refused(void **state)
{
    struct domain_config config = config_of(2);
    struct domain *d = make(2), *other;

    assert_int_equal(domain_create(&config, &other), -EEXIST);
    config.id = DOMAIN_ID_FIRST_RESERVED;
    assert_int_equal(domain_create(&config, &other), -EINVAL);
    config.id = 3;
    config.vcpu_max = VCPU_COUNT_MAX + 1;
    assert_int_equal(domain_create(&config, &other), -EINVAL);
    destroy(d);
}

static void every_failing_allocation_is_undone(void **state)
{
    struct domain_config config = config_of(2);
    struct domain *d;
    unsigned failed = 0;

    for (unsigned n = 0;; n++) {
        fake_heap_fail_after(n);
        if (domain_create(&config, &d) == 0)
            break;
        failed++;
        assert_null(domain_get(2));
        assert_int_equal(page_free_count(), free_at_start);
        assert_int_equal(arch_parts + event_parts + grant_parts, 0);
    }
    fake_heap_fail_after(~0U);
    assert_true(failed >= 5);
    destroy(d);
    memory_fake_fail_after(0);
    assert_int_equal(domain_create(&config, &d), -ENOMEM);
    memory_fake_fail_after(~0U);
    forget_account(2);
}

/* ---- pause and shutdown -----------------------------------------------------------------------
 */

static void pauses_count(void **state)
{
    struct domain *d = make(1);
    struct vcpu *v = give_vcpu(d, 0);

    assert_int_equal(d->pause_count, 1);
    domain_pause(d);
    domain_unpause(d);
    assert_true(v->sched.stop & VCPU_STOP_DOMAIN);
    domain_unpause(d);
    assert_int_equal(v->sched.stop, 0);
    domain_pause_async(d);
    assert_int_equal(v->sched.stop, VCPU_STOP_DOMAIN);
    destroy(d);
}

static void shutdown_stops_and_tells_once(void **state)
{
    struct domain *d = make(1);
    struct vcpu *v = give_vcpu(d, 0);

    domain_unpause(d);
    domain_shutdown(d, SHUTDOWN_suspend);
    domain_shutdown(d, SHUTDOWN_crash);
    assert_int_equal(d->shutdown_reason, SHUTDOWN_suspend);
    assert_int_equal(v->sched.stop, VCPU_STOP_SHUTDOWN);
    assert_int_equal(global_virqs[VIRQ_DOM_EXC], 1);
    domain_resume(d);
    assert_int_equal(v->sched.stop, 0);
    assert_false(d->is_shutdown);
    d->has_shutdown_code = true;
    d->shutdown_reason = SHUTDOWN_watchdog;
    domain_crash(d, "a test of %s", "crashes");
    assert_int_equal(d->shutdown_reason, SHUTDOWN_watchdog);
    assert_non_null(strstr(fake_log, "a test of crashes"));
    destroy(d);
}

static void control_domain_takes_the_machine_along(void **state)
{
    static const struct {
        uint8_t reason;
        const char *end, *message;
    } cases[] = {
        {SHUTDOWN_poweroff, "halt", "Hardware Dom0 halted: halting machine"},
        {SHUTDOWN_reboot, "reboot", "Hardware Dom0 shutdown: rebooting machine"},
        {SHUTDOWN_crash, "crash", "Hardware Dom0 crashed: rebooting machine"},
        {SHUTDOWN_watchdog, "crash", "Hardware Dom0 watchdog fired: rebooting machine"},
    };
    struct domain_config config = config_of(0);
    struct domain *d;

    config.is_privileged = true;
    assert_int_equal(domain_create(&config, &d), 0);
    assert_ptr_equal(control_domain, d);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        fake_log_reset();
        if (setjmp(machine_end) == 0)
            domain_shutdown(d, cases[i].reason);
        assert_string_equal(machine_ended_by, cases[i].end);
        assert_non_null(strstr(fake_log, cases[i].message));
        assert_int_equal(fake_locks_held, 0);
    }
    assert_int_equal(domain_destroy(d), -EINVAL);
    d->is_privileged = false;
    destroy(d);
}

/* ---- destruction ------------------------------------------------------------------------------
 */

static void give_pages(struct domain *d, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(page_assign(&d->memory, page_alloc(0, PAGE_ZERO), 0), 0);
}

static void destruction_gives_all_back_in_steps(void **state)
{
    struct domain *d = make(1);
    struct vcpu *v = give_vcpu(d, 0);
    unsigned calls = 0;
    mfn_t pinned;

    give_vcpu(d, 1);
    give_pages(d, 600);
    pinned = d->memory.first;
    assert_true(page_get(page_of(pinned), 1));
    v->info_mfn = pinned;
    domain_unpause(d);
    restarts = 7;
    assert_true(domain_try_get(d));
    while (domain_destroy(d) == -ERESTART)
        calls++;
    /* Each of the three bounded parts once more, and the pages beyond a batch. */
    assert_int_equal(calls, 4);
    assert_true(d->is_dying);
    assert_int_equal(d->memory.page_count, 0);
    assert_int_equal(global_virqs[VIRQ_DOM_EXC], 1);
    assert_int_equal(domain_destroy(d), 0);
    /* Still there for whoever asks. */
    assert_ptr_equal(domain_get(1), d);
    domain_put(d);
    domain_put(d);
    reap();
    assert_null(find(1));
    forget_account(1);
}

static void mapped_frames_keep_the_id(void **state)
{
    struct domain_config config = config_of(1);
    struct domain *d = make(1), *other;
    mfn_t lent;

    give_pages(d, 3);
    lent = d->memory.first;
    assert_true(page_get(page_of(lent), 1));
    destroy(d);
    /* Tools see it, but there is nothing to destroy any more. */
    assert_ptr_equal(domain_get(1), d);
    assert_int_equal(domain_destroy(d), 0);
    domain_put(d);
    assert_int_equal(fake_cpu.work, 0);
    assert_int_equal(domain_create(&config, &other), -EEXIST);
    assert_ptr_equal(domain_memory_of_real(1), &d->memory);
    /* The last user lets go. */
    page_put(page_of(lent));
    reap();
    assert_null(find(1));
    assert_int_equal(global_virqs[VIRQ_DOM_EXC], 2);
    forget_account(1);
}

/* shared_info is there as long as the domain is listed. */
static void mapped_shared_info_keeps_the_id(void **state)
{
    struct domain *d = make(1);
    mfn_t shared = virt_to_frame(d->shared_info);

    assert_true(page_get(page_of(shared), 1));
    destroy(d);
    assert_ptr_equal(find(1), d);
    assert_null(domain_get(1));
    assert_int_equal(fake_cpu.work, 0);
    page_put(page_of(shared));
    reap();
    assert_null(find(1));
    forget_account(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(found_by_id_with_a_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(listed_in_ascending_order, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_and_taken_ids_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(every_failing_allocation_is_undone, setup, teardown),
        cmocka_unit_test_setup_teardown(pauses_count, setup, teardown),
        cmocka_unit_test_setup_teardown(shutdown_stops_and_tells_once, setup, teardown),
        cmocka_unit_test_setup_teardown(control_domain_takes_the_machine_along, setup, teardown),
        cmocka_unit_test_setup_teardown(destruction_gives_all_back_in_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(mapped_frames_keep_the_id, setup, teardown),
        cmocka_unit_test_setup_teardown(mapped_shared_info_keeps_the_id, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
