/* SPDX-License-Identifier: MIT */
/*
 * The test side: TEST("name") { ... CHECK(condition); ... } registers and defines a test. Output on
 * the console, one line each: "ok NAME", "not ok NAME: file:line: what", "skip NAME: why", and last
 * "done N passed M failed"; then the machine is reset.
 */
#pragma once

#include <kr/types.h>

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST_GLUE_(a, b) a##b
#define TEST_GLUE(a, b)  TEST_GLUE_(a, b)
#define TEST_(name, id)                                                                          \
    static void TEST_GLUE(test_run_, id)(void);                                                  \
    static const struct test TEST_GLUE(test_, id)                                                \
        __attribute__((section(".guest_tests"), used, aligned(8))) = {name,                      \
                                                                      TEST_GLUE(test_run_, id)}; \
    static void TEST_GLUE(test_run_, id)(void)
#define TEST(name) TEST_(name, __COUNTER__)

/* Goes on after a failure. */
#define CHECK(cond)                                     \
    ({                                                  \
        bool good_ = (cond);                            \
        if (!good_)                                     \
            test_fail(__FILE__, __LINE__, "%s", #cond); \
        good_;                                          \
    })

#define CHECK_EQ(got, want)                                                                    \
    ({                                                                                         \
        long got_ = (long)(got), want_ = (long)(want);                                         \
        if (got_ != want_)                                                                     \
            test_fail(__FILE__, __LINE__, "%s is %ld (%#lx), not %s = %ld (%#lx)", #got, got_, \
                      got_, #want, want_, want_);                                              \
        got_ == want_;                                                                         \
    })

/* Ends the test on failure. */
#define REQUIRE(cond)     \
    do {                  \
        if (!CHECK(cond)) \
            test_stop();  \
    } while (0)

#define REQUIRE_EQ(got, want)     \
    do {                          \
        if (!CHECK_EQ(got, want)) \
            test_stop();          \
    } while (0)

/* Says why this test does not apply on this machine and ends it. */
#define SKIP(...)               \
    do {                        \
        test_skip(__VA_ARGS__); \
        test_stop();            \
    } while (0)

void print(const char *fmt, ...) __printf(1, 2);
void test_fail(const char *file, int line, const char *fmt, ...) __printf(3, 4);
void test_skip(const char *fmt, ...) __printf(1, 2);
void test_stop(void) __noreturn;
/* For faults of the harness itself: reports and resets the machine. */
void test_die(const char *fmt, ...) __printf(1, 2) __noreturn;
/* True when word stands alone on the kernel command line. */
bool option_given(const char *word);
