/* SPDX-License-Identifier: MIT */
/*
 * tools/symbols.py and core/symbol.c together: a table is made from a listing of invented
 * functions, compiled with the lookup into a shared object, and asked.
 */
/* LIBS: -ldl */
#include "unit.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <kr/symbol.h>

#define FUNCTIONS 100
#define FIRST     0xffff82d040200000UL
#define ANCHOR_AT 50

static char folder[] = "/tmp/test_symbol.XXXXXX";
static bool (*lookup)(uintptr_t address, struct symbol *symbol);
static int (*format)(char *buf, size_t size, uintptr_t address);

/* Runs a shell command in which `%1$s` is the folder. */
static void run(const char *command_fmt)
{
    char command[1000];

    snprintf(command, sizeof(command), command_fmt, folder);
    assert_int_equal(system(command), 0);
}

static void make_name(char *name, unsigned i)
{
    if (i == ANCHOR_AT)
        strcpy(name, "symbol_lookup");
    else if (i == 70)
        memset(name, 'l', 200), name[200] = '\0';
    else
        sprintf(name, i % 3 ? "event_port_%u" : "%u_other", i);
}

/* Functions of 32, 48, 64… bytes, with what nm says besides. */
static void write_listing(void)
{
    char path[100], name[256];
    uint64_t address = FIRST;
    FILE *f;

    snprintf(path, sizeof(path), "%s/nm", folder);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(
        f, "0000000000000010 A constant\n0000000000100000 T far_away\n                 U absent\n");
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        unsigned size = 32 + 16 * (i % 4);

        make_name(name, i);
        if (i % 5 == 0)
            fprintf(f, "%016lx t z_alias_%u\n", address, i);
        fprintf(f, "%016lx %016x %c %s\n", address, size, "Tt"[i % 2 && i % 5], name);
        fprintf(f, "%016lx %016x D data_%u\n", address + 4, 8, i);
        address += size;
    }
    fclose(f);
}

static int setup(void **state)
{
    char path[100];
    void *library;

    assert_non_null(mkdtemp(folder));
    write_listing();
    run("tools/symbols.py < %1$s/nm > %1$s/table.c");
    run("gcc -shared -fPIC -Iinclude -o %1$s/table.so %1$s/table.c core/symbol.c lib/printf.c "
        "lib/string.c");
    snprintf(path, sizeof(path), "%s/table.so", folder);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    lookup = (__typeof__(lookup))dlsym(library, "symbol_lookup");
    format = (__typeof__(format))dlsym(library, "symbol_format");
    return lookup && format ? 0 : -1;
}

static int teardown(void **state)
{
    run("rm -r %1$s");
    return 0;
}

static uintptr_t address_of(unsigned function)
{
    uintptr_t address = 0, anchor = 0;

    for (unsigned i = 0; i < function; i++)
        address += 32 + 16 * (i % 4);
    for (unsigned i = 0; i < ANCHOR_AT; i++)
        anchor += 32 + 16 * (i % 4);
    return (uintptr_t)lookup + address - anchor;
}

static void test_every_function(void **state)
{
    struct symbol symbol;
    char name[256];

    for (unsigned i = 0; i < FUNCTIONS; i++) {
        unsigned size = 32 + 16 * (i % 4);

        make_name(name, i);
        name[SYMBOL_NAME_SIZE - 1] = '\0';
        for (unsigned offset = 0; offset < size; offset += 31) {
            assert_true(lookup(address_of(i) + offset, &symbol));
            assert_string_equal(symbol.name, name);
            assert_int_equal(symbol.offset, offset);
            assert_int_equal(symbol.size, size);
        }
    }
}

static void test_outside(void **state)
{
    static const uintptr_t elsewhere[] = {0, 0x100000, FIRST, ~0UL};
    struct symbol symbol;

    assert_false(lookup(address_of(0) - 1, &symbol));
    assert_false(lookup(address_of(FUNCTIONS), &symbol));
    for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++)
        assert_false(lookup(elsewhere[i], &symbol));
}

static void test_format(void **state)
{
    char text[100], expected[100];

    format(text, sizeof(text), address_of(1) + 5);
    sprintf(expected, "<%016lx> event_port_1+0x5/0x30", address_of(1) + 5);
    assert_string_equal(text, expected);
    format(text, sizeof(text), 0x1234);
    assert_string_equal(text, "<0000000000001234>");
}

static void test_generator_is_deterministic(void **state)
{
    run("tools/symbols.py < %1$s/nm | cmp - %1$s/table.c");
}

static void test_empty_table(void **state)
{
    run("tools/symbols.py --empty > %1$s/empty.c && grep -q 'symbol_count = 0;' %1$s/empty.c");
    run("gcc -std=gnu11 -Wall -Werror -Iinclude -c -o %1$s/empty.o %1$s/empty.c");
    run("! echo '0000000000000010 T lonely' | tools/symbols.py > %1$s/none.c 2>&1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_function), cmocka_unit_test(test_outside),
        cmocka_unit_test(test_format),         cmocka_unit_test(test_generator_is_deterministic),
        cmocka_unit_test(test_empty_table),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
