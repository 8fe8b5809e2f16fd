/* SPDX-License-Identifier: Apache-2.0
 *
 * test_agree.c - array consistency: the decision element by element equals the search through everything, on many small random trees;
 * and its work stays bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agree.h"
#include "turnout/random.h"

enum { CONTEXTS = 12, FIELDS = 4 };

struct tree {
	struct tn_context contexts[CONTEXTS];
	uint32_t count, arrays;
};

static uint32_t pick(struct tn_random *random, uint32_t count)
{
	return (uint32_t)(tn_random_next(random) >> 33) % count;
}

/* Grows the elements of one array, or of two, below a context, in reading order. */
static void grow(struct tree *tree, struct tn_random *random, uint32_t parent, uint32_t depth, uint32_t most_arrays)
{
	uint32_t arrays = depth < 3 ? pick(random, most_arrays + 1) : 0;
	for (uint32_t a = 0; a < arrays; a++) {
		uint32_t array = ++tree->arrays, elements = 1 + pick(random, 3);
		for (uint32_t i = 0; i < elements && tree->count < CONTEXTS; i++) {
			uint32_t number = tree->count++;
			tree->contexts[number] = (struct tn_context){parent, array, depth + 1, UINT32_MAX};
			grow(tree, random, number, depth + 1, most_arrays);
			tree->contexts[number].end = tree->count;
		}
	}
}

static void fill(struct tn_agree *agree, const struct tree *tree, struct tn_random random)
{
	tn_agree_begin(agree, tree->contexts);
	uint32_t fields = 1 + pick(&random, FIELDS);
	for (uint32_t field = 0; field < fields; field++) {
		bool absence = pick(&random, 3) == 0;
		tn_agree_field(agree, absence);
		for (uint32_t context = 0; context < tree->count; context++) {
			if (pick(&random, 2))
				continue;
			bool accepted = pick(&random, 3) != 0;
			if (accepted || absence)
				tn_agree_leaf(agree, context, accepted);
		}
	}
}

/* most_arrays 1: trees that never tangle. Answers how many cases agreed (were satisfiable). */
static unsigned compare_with_search(uint64_t seed, uint32_t most_arrays, unsigned rounds, unsigned *out_tangled)
{
	struct tn_agree agree = {0};
	struct tn_random random = {seed};
	unsigned satisfied = 0;
	*out_tangled = 0;
	for (unsigned round = 0; round < rounds; round++) {
		struct tree tree = {.count = 1};
		bool decided, searched;
		grow(&tree, &random, 0, 0, most_arrays);
		struct tn_random fields = {tn_random_next(&random)};
		fill(&agree, &tree, fields);
		assert_int_equal(tn_agree_decide(&agree, &decided), TN_OK);
		*out_tangled += agree.tangled;
		fill(&agree, &tree, fields);
		assert_int_equal(tn_agree_search(&agree, &searched), TN_OK);
		if (decided != searched)
			fail_msg("round %u: decided %d, searched %d", round, decided, searched);
		satisfied += decided;
	}
	tn_agree_fini(&agree);
	return satisfied;
}

static void deciding_by_elements_equals_searching_everything(void **state)
{
	unsigned tangled, rounds = 100000;
	unsigned satisfied = compare_with_search(1, 1, rounds, &tangled);
	assert_int_equal(tangled, 0);
	assert_in_range(satisfied, rounds / 10, rounds - rounds / 10);
}

static void several_arrays_below_one_context_are_decided_too(void **state)
{
	unsigned tangled, rounds = 20000;
	unsigned satisfied = compare_with_search(2, 2, rounds, &tangled);
	assert_in_range(tangled, 100, rounds - 100);
	assert_in_range(satisfied, rounds / 10, rounds - rounds / 10);
}

/* k arrays of n elements side by side, a field in each and one more that contradicts the first: n to the k ways to try. */
static void many_free_arrays_do_not_multiply(void **state)
{
	enum { ARRAYS = 20, ELEMENTS = 200 };
	static struct tn_context contexts[1 + ARRAYS * ELEMENTS];
	struct tn_agree agree = {0};
	bool match;
	contexts[0].end = 1 + ARRAYS * ELEMENTS;
	for (uint32_t i = 0; i < ARRAYS * ELEMENTS; i++)
		contexts[1 + i] = (struct tn_context){0, 1 + i / ELEMENTS, 1, 2 + i};
	tn_agree_begin(&agree, contexts);
	for (uint32_t array = 0; array < ARRAYS; array++) {
		tn_agree_field(&agree, false);
		for (uint32_t i = 0; i < ELEMENTS; i += 2)
			tn_agree_leaf(&agree, 1 + array * ELEMENTS + i, true);
	}
	tn_agree_field(&agree, false);
	for (uint32_t i = 1; i < ELEMENTS; i += 2)
		tn_agree_leaf(&agree, 1 + i, true);
	assert_int_equal(tn_agree_decide(&agree, &match), TN_OK);
	assert_false(match);
	assert_true(agree.work < 100000);
	tn_agree_fini(&agree);
}

static void a_tangle_too_large_is_given_up(void **state)
{
	enum { ARRAYS = 24, ELEMENTS = 4 };
	static struct tn_context contexts[1 + ARRAYS * ELEMENTS];
	struct tn_agree agree = {0};
	bool match;
	for (uint32_t i = 0; i < ARRAYS * ELEMENTS; i++)
		contexts[1 + i] = (struct tn_context){0, 1 + i / ELEMENTS, 1, 2 + i};
	tn_agree_begin(&agree, contexts);
	for (uint32_t field = 0; field < ARRAYS; field++) {
		tn_agree_field(&agree, false);
		for (uint32_t i = 0; i < ELEMENTS; i++) {
			tn_agree_leaf(&agree, 1 + field * ELEMENTS + i, true);
			if (field + 1 < ARRAYS)
				tn_agree_leaf(&agree, 1 + (field + 1) * ELEMENTS + i, true);
		}
	}
	tn_agree_field(&agree, false);
	tn_agree_field(&agree, false);
	assert_int_equal(tn_agree_search(&agree, &match), TN_TOO_LARGE);
	tn_agree_fini(&agree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deciding_by_elements_equals_searching_everything),
		cmocka_unit_test(several_arrays_below_one_context_are_decided_too),
		cmocka_unit_test(many_free_arrays_do_not_multiply),
		cmocka_unit_test(a_tangle_too_large_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
