/* SPDX-License-Identifier: MIT */
/* console_io over guest memory that goes away in the middle, which no caller can time. */
#include "unit.h"

#include <string.h>

#include <kr/access.h>
#include <kr/console.h>
#include <kr/errno.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

/* SOURCES: core/console_op.c */

#define TEXT_BYTES  600 /* three pieces */
#define PIECE_BYTES 256

static unsigned accesses_left; /* then guest memory is gone */
static bool is_control, must_yield;
static char shown[TEXT_BYTES];
static size_t shown_bytes;
static const char *typed;

/* ---- stand-ins --------------------------------------------------------------------------------
 */

int arch_guest_read(void *dst, uint64_t guest_addr, size_t size_bytes)
{
    if (accesses_left == 0)
        return -EFAULT;
    accesses_left--;
    memcpy(dst, (const void *)guest_addr, size_bytes);
    return 0;
}

int arch_guest_write(uint64_t guest_addr, const void *src, size_t size_bytes)
{
    if (accesses_left == 0)
        return -EFAULT;
    accesses_left--;
    memcpy((void *)guest_addr, src, size_bytes);
    return 0;
}

bool hypercall_caller_is(enum hypercall_caller callers)
{
    return callers == ANYONE || is_control;
}

bool hypercall_should_yield(void)
{
    return must_yield;
}

void console_guest_write(const char *text, size_t length)
{
    assert_true(shown_bytes + length <= sizeof(shown));
    memcpy(shown + shown_bytes, text, length);
    shown_bytes += length;
}

uint32_t console_guest_read(char *buf, uint32_t size)
{
    uint32_t length = MIN((uint32_t)strlen(typed), size);

    memcpy(buf, typed, length);
    typed += length;
    return length;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static char memory[TEXT_BYTES];

static int setup(void **state)
{
    for (unsigned i = 0; i < sizeof(memory); i++)
        memory[i] = 'a' + i % 26;
    accesses_left = ~0U;
    is_control = true;
    must_yield = false;
    shown_bytes = 0;
    typed = "input";
    return 0;
}

static void test_write(void **state)
{
    struct hypercall_args args = {{CONSOLEIO_write, TEXT_BYTES, (uint64_t)memory}};

    assert_int_equal(do_console_io(&args), 0);
    assert_int_equal(shown_bytes, TEXT_BYTES);
    assert_memory_equal(shown, memory, TEXT_BYTES);
}

/* A call that is cut goes on behind what was shown, and stops where memory does. */
static void test_write_in_pieces(void **state)
{
    struct hypercall_args args = {{CONSOLEIO_write, TEXT_BYTES, (uint64_t)memory}};

    must_yield = true;
    for (unsigned done = PIECE_BYTES; done < TEXT_BYTES; done += PIECE_BYTES) {
        assert_int_equal(do_console_io(&args), -ERESTART);
        assert_int_equal(shown_bytes, done);
        assert_int_equal(args.arg[1], TEXT_BYTES - done);
        assert_int_equal(args.arg[2], (uint64_t)memory + done);
    }
    accesses_left = 0;
    assert_int_equal(do_console_io(&args), -EFAULT);
    accesses_left = 1;
    assert_int_equal(do_console_io(&args), 0);
    assert_memory_equal(shown, memory, TEXT_BYTES);
}

static void test_read(void **state)
{
    struct hypercall_args args = {{CONSOLEIO_read, 3, (uint64_t)memory}};

    assert_int_equal(do_console_io(&args), 3);
    assert_memory_equal(memory, "inpd", 4);
    args.arg[1] = TEXT_BYTES;
    assert_int_equal(do_console_io(&args), 2);
    assert_memory_equal(memory, "ut", 2);
    assert_int_equal(do_console_io(&args), 0);
}

/* Read, write, write again: nothing is taken before the place is known to be good; what happens to
 * it afterwards is the caller's loss. */
static void test_read_faults(void **state)
{
    struct hypercall_args args = {{CONSOLEIO_read, 3, (uint64_t)memory}};

    for (unsigned n = 0; n < 2; n++) {
        accesses_left = n;
        assert_int_equal(do_console_io(&args), -EFAULT);
        assert_string_equal(typed, "input");
    }
    accesses_left = 2;
    assert_int_equal(do_console_io(&args), -EFAULT);
    assert_string_equal(typed, "ut");
}

static void test_refusals(void **state)
{
    struct hypercall_args args = {{CONSOLEIO_write, UINT32_MAX, (uint64_t)memory}};

    assert_int_equal(do_console_io(&args), -EINVAL);
    args.arg[1] = 1;
    args.arg[0] = 99;
    assert_int_equal(do_console_io(&args), -ENOSYS);
    args.arg[0] = CONSOLEIO_write;
    is_control = false;
    assert_int_equal(do_console_io(&args), -EPERM);
    assert_int_equal(shown_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_write, setup),
        cmocka_unit_test_setup(test_write_in_pieces, setup),
        cmocka_unit_test_setup(test_read, setup),
        cmocka_unit_test_setup(test_read_faults, setup),
        cmocka_unit_test_setup(test_refusals, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
