/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's allocators, seen from outside: the linker leads their callers through here
 * (--wrap, tests/sim/sim.mk). Free frames and freed objects are poisoned for AddressSanitizer,
 * small objects get a forbidden zone behind them, and any allocation can be made to fail.
 */
#include "sim.h"

#include <kr/heap.h>
#include <kr/page.h>
#include <sim/random.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../core/page_internal.h"

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(p, n)   ((void)(p), (void)(n))
#define __asan_unpoison_memory_region(p, n) ((void)(p), (void)(n))
#define __asan_address_is_poisoned(p)       ((void)(p), true)
#endif

#define LINK_BYTES 8 /* the heap chains free objects through their first byte */

#define OBJECT_ALIGN 16 /* the heap's least */
#define OBJECTS_MAX  65536

static struct alloc_object objects[OBJECTS_MAX];
static unsigned object_count;
static atomic_flag objects_lock = ATOMIC_FLAG_INIT; /* CPUs may be threads */

void *sparse_table_map(size_t bytes)
{
    void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (table == MAP_FAILED)
        abort();
    return table;
}

/* ---- failing ----------------------------------------------------------------------------------
 */

static _Thread_local unsigned depth; /* inside an allocation: not one of its own */
static uint64_t allocations, failures, fail_at, fail_one_in;
static bool keeps_failing_then;

void alloc_reset(void)
{
    allocations = failures = fail_at = fail_one_in = 0;
    object_count = 0;
}

void alloc_fail_after(uint64_t n, bool keeps_failing)
{
    fail_at = n ? allocations + n : 0;
    keeps_failing_then = keeps_failing;
}

void alloc_fail_one_in(uint64_t count)
{
    fail_one_in = count;
}

uint64_t alloc_count(void)
{
    return allocations;
}

uint64_t alloc_failed_count(void)
{
    return failures;
}

static bool must_fail(void)
{
    bool fails;

    if (depth > 0)
        return false;
    allocations++;
    fails =
        (fail_at && (allocations == fail_at || (keeps_failing_then && allocations > fail_at))) ||
        sim_random_one_in(SIM_STREAM_FAULT, fail_one_in);
    failures += fails;
    return fails;
}

/* ---- what nothing in the frame table tells ------------------------------------------------------
 */

void __real_page_conceal(struct domain_memory *m, mfn_t mfn);

static uint64_t *concealed; /* bits by frame */

static uint64_t *concealed_word(mfn_t mfn)
{
    if (!concealed)
        concealed = sparse_table_map((SIM_RAM_MAX >> PAGE_SHIFT) / 8);
    return &concealed[mfn / 64];
}

void __wrap_page_conceal(struct domain_memory *m, mfn_t mfn)
{
    __atomic_fetch_or(concealed_word(mfn), BIT(mfn % 64), __ATOMIC_RELAXED);
    __real_page_conceal(m, mfn);
}

/* page_assign() and page_expose() are called with frames that were just allocated. */
static void concealed_forget(mfn_t mfn, uint64_t count)
{
    for (; count > 0; mfn++, count--)
        if (*concealed_word(mfn) & BIT(mfn % 64))
            __atomic_fetch_and(concealed_word(mfn), ~BIT(mfn % 64), __ATOMIC_RELAXED);
}

bool alloc_was_exposed(mfn_t mfn)
{
    return *concealed_word(mfn) >> (mfn % 64) & 1;
}

/* ---- domain ids --------------------------------------------------------------------------------
 * Another thing that may run out. The operator, who asks as well, always hears the truth. */

uint16_t __real_domain_free_id(uint16_t from);

uint16_t __wrap_domain_free_id(uint16_t from)
{
    return sim_machine_is_running() && must_fail() ? DOMAIN_ID_INVALID
                                                   : __real_domain_free_id(from);
}

/* ---- frames -----------------------------------------------------------------------------------
 */

mfn_t __real_page_alloc(unsigned order, unsigned flags);
mfn_t __real_page_alloc_below(unsigned order, unsigned max_addr_bits, unsigned flags);
void __real_page_free(mfn_t mfn, unsigned order);
void __real_page_free_range(mfn_t first, uint64_t count);
void __real_page_free_block(mfn_t mfn, unsigned order, bool is_zero);
void __real_page_free_run(mfn_t first, uint64_t count, bool is_zero);
void __real_page_zero(mfn_t mfn, unsigned order);

/* Where anything has been poisoned: the process may use the addresses again after the run. */
#define CHUNK_SHIFT  21
#define CHUNK_FRAMES BIT(CHUNK_SHIFT - PAGE_SHIFT)
static uint64_t chunks_used[(SIM_RAM_MAX >> CHUNK_SHIFT) / 64];

static void frames_note(mfn_t mfn, uint64_t count)
{
    for (uint64_t c = mfn / CHUNK_FRAMES; c <= (mfn + count - 1) / CHUNK_FRAMES; c++)
        __atomic_fetch_or(&chunks_used[c / 64], BIT(c % 64), __ATOMIC_RELAXED);
}

void alloc_open_all(void)
{
    for (uint64_t i = 0; i < ARRAY_SIZE(chunks_used); i++) {
        for (uint64_t bits = chunks_used[i]; bits; bits &= bits - 1)
            __asan_unpoison_memory_region(
                frame_to_virt((i * 64 + __builtin_ctzl(bits)) * CHUNK_FRAMES), BIT(CHUNK_SHIFT));
        chunks_used[i] = 0;
    }
}

static mfn_t frames_open(mfn_t mfn, unsigned order)
{
    if (mfn == MFN_INVALID)
        return mfn;
    frames_note(mfn, BIT(order));
    concealed_forget(mfn, BIT(order));
    __asan_unpoison_memory_region(frame_to_virt(mfn), PAGE_SIZE << order);
    return mfn;
}

/* Only before they are free: then another CPU may have them at once. */
static void frames_close(mfn_t mfn, uint64_t count)
{
    if (count == 0)
        return;
    frames_note(mfn, count);
    __asan_poison_memory_region(frame_to_virt(mfn), count * PAGE_SIZE);
}

mfn_t __wrap_page_alloc(unsigned order, unsigned flags)
{
    return must_fail() ? MFN_INVALID : frames_open(__real_page_alloc(order, flags), order);
}

mfn_t __wrap_page_alloc_below(unsigned order, unsigned max_addr_bits, unsigned flags)
{
    return must_fail() ? MFN_INVALID
                       : frames_open(__real_page_alloc_below(order, max_addr_bits, flags), order);
}

void __wrap_page_zero(mfn_t mfn, unsigned order)
{
    frames_open(mfn, order);
    __real_page_zero(mfn, order);
}

void __wrap_page_free(mfn_t mfn, unsigned order)
{
    frames_close(mfn, BIT(order));
    __real_page_free(mfn, order);
}

void __wrap_page_free_range(mfn_t first, uint64_t count)
{
    frames_close(first, count);
    __real_page_free_range(first, count);
}

void __wrap_page_free_block(mfn_t mfn, unsigned order, bool is_zero)
{
    frames_close(mfn, BIT(order));
    __real_page_free_block(mfn, order, is_zero);
}

void __wrap_page_free_run(mfn_t first, uint64_t count, bool is_zero)
{
    frames_close(first, count);
    __real_page_free_run(first, count, is_zero);
}

/* ---- small objects ----------------------------------------------------------------------------
 */

void *__real_heap_alloc_for(struct domain_memory *m, size_t size_bytes);
void __real_heap_free(void *object);

/* An object's number in the list, by its place in RAM: sparse, as RAM is. */
static uint32_t *object_number(const void *object)
{
    static uint32_t *table;

    if (!table) {
        table = sparse_table_map(SIM_RAM_MAX / OBJECT_ALIGN * sizeof(*table));
    }
    return &table[virt_to_phys(object) / OBJECT_ALIGN];
}

static void objects_enter(void)
{
    while (atomic_flag_test_and_set(&objects_lock))
        ;
}

static void object_note(void *object, size_t size_bytes, uint16_t owner)
{
    objects_enter();
    if (object_count == OBJECTS_MAX)
        abort();
    *object_number(object) = object_count;
    objects[object_count++] = (struct alloc_object){object, (uint32_t)size_bytes, owner};
    atomic_flag_clear(&objects_lock);
}

/* Its size; the last one of the list takes its place. */
static size_t object_forget(void *object)
{
    uint32_t number;
    size_t size_bytes;

    objects_enter();
    number = *object_number(object);
    if (number >= object_count || objects[number].object != object)
        sim_failed("an object is freed that is none");
    size_bytes = objects[number].size_bytes;
    objects[number] = objects[--object_count];
    *object_number(objects[number].object) = number;
    atomic_flag_clear(&objects_lock);
    return size_bytes;
}

const struct alloc_object *alloc_objects(unsigned *count)
{
    *count = object_count;
    return objects;
}

static void *object_make(struct domain_memory *m, size_t size_bytes)
{
    void *object;

    if (size_bytes == 0 || size_bytes > HEAP_LARGE_MAX - ALLOC_ZONE_BYTES || must_fail())
        return NULL;
    depth++;
    object = __real_heap_alloc_for(m, size_bytes + ALLOC_ZONE_BYTES);
    depth--;
    if (!object)
        return NULL;
    object_note(object, size_bytes, m ? m->owner : ALLOC_OWNER_NONE);
    __asan_unpoison_memory_region(object, size_bytes);
    __asan_poison_memory_region((char *)object + size_bytes, ALLOC_ZONE_BYTES);
    return object;
}

void *__wrap_heap_alloc_for(struct domain_memory *m, size_t size_bytes)
{
    return object_make(m, size_bytes);
}

void *__wrap_heap_alloc(size_t size_bytes)
{
    return object_make(NULL, size_bytes);
}

void *__wrap_heap_zalloc_for(struct domain_memory *m, size_t size_bytes)
{
    void *object = object_make(m, size_bytes);

    if (object)
        memset(object, 0, size_bytes);
    return object;
}

void *__wrap_heap_zalloc(size_t size_bytes)
{
    return __wrap_heap_zalloc_for(NULL, size_bytes);
}

void *__wrap_heap_zalloc_array(struct domain_memory *m, size_t count, size_t element_bytes)
{
    size_t size_bytes;

    if (__builtin_mul_overflow(count, element_bytes, &size_bytes))
        return NULL;
    return __wrap_heap_zalloc_for(m, size_bytes);
}

/* Forbidden before it is free: from then on it may be another CPU's. The page allocator does so for
 * the frames of large objects. */
void __wrap_heap_free(void *object)
{
    size_t size_bytes;

    if (!object)
        return;
    size_bytes = object_forget(object);
    __asan_unpoison_memory_region(object, size_bytes + ALLOC_ZONE_BYTES);
    if ((uintptr_t)object % PAGE_SIZE != 0 && size_bytes > LINK_BYTES)
        __asan_poison_memory_region((char *)object + LINK_BYTES, size_bytes - LINK_BYTES);
    depth++;
    __real_heap_free(object);
    depth--;
}
