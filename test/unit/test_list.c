// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int number;
    struct list_link link;
};

static void assert_numbers(const struct list *list, const int *numbers, size_t count) {
    size_t i = 0;
    LIST_EACH(list, link) {
        assert_true(i < count);
        assert_int_equal(LIST_ENTRY(link, struct item, link)->number, numbers[i]);
        i++;
    }
    assert_int_equal(i, count);
}

static void test_order(void **state) {
    (void)state;
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct list list;
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_first(&list));
    assert_null(list_last(&list));
    assert_null(list_take_first(&list));
    list_append(&list, &items[1].link);
    list_append(&list, &items[3].link);
    list_prepend(&list, &items[0].link);
    list_insert_before(&items[3].link, &items[2].link);
    assert_numbers(&list, (int[]){0, 1, 2, 3}, 4);
    assert_ptr_equal(list_first(&list), &items[0].link);
    assert_ptr_equal(list_last(&list), &items[3].link);
    assert_ptr_equal(list_take_first(&list), &items[0].link);
    assert_numbers(&list, (int[]){1, 2, 3}, 3);
}

static void test_removal(void **state) {
    (void)state;
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct list list;
    list_init(&list);
    list_remove(&items[0].link); // in no list: harmless
    for (int i = 0; i < 3; i++) {
        assert_false(list_link_is_in_list(&items[i].link));
        list_append(&list, &items[i].link);
        assert_true(list_link_is_in_list(&items[i].link));
    }
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    assert_numbers(&list, (int[]){0, 2}, 2);
    list_append(&list, &items[1].link); // may come back
    assert_numbers(&list, (int[]){0, 2, 1}, 3);
    LIST_EACH(&list, link) {
        list_remove(link);
    }
    assert_true(list_is_empty(&list));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
