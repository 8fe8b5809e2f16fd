/* SPDX-License-Identifier: Apache-2.0
 *
 * index.c - finds the rules worth asking about an event, so that a thousand rules cost about what the few cost that have a chance.
 *
 * Called by match.c for every event. The index never judges: it says which rules to ask, and branch.c answers, as for explain, which
 * asks them all.
 *
 * A branch matches only if each of its fields that may not be absent has a leaf that is accepted. So of each branch one such field is
 * chosen, and the rule is posted under the field's keys, things to be seen of every leaf that the field could accept:
 *
 *   {"type":["a","b"]}                  type = "a", type = "b"          the literals: strings, numbers, true, false, null
 *   {"type":[{"prefix":"order."}]}      type begins with "order."       also from a wildcard, up to its first star
 *   {"n":[{"numeric":[">",5]}]}         n is there                      from anything else
 *   {"n":[{"exists":false}]}            none: the rule is always asked
 *
 * The field chosen is the one whose keys the fewest branches share: with a thousand rules for one source and many types, the type. A leaf
 * is looked up under each key it could have: its own value, and its beginnings of those lengths that prefixes at this path have.
 *
 *   leaf ──hash──► slot {key, first} ──► posting {rule, next} ──► posting ...        each sets the bit of its rule
 *
 * A key is only the hash of what it stands for: two that fall together cost a question too many and no wrong answer. A rule that is not
 * found is one whose branches all have a field without an accepted leaf, which branch.c sees before it looks into arrays: so a rule that
 * cannot be judged in bounded work is always among those asked.
 */
#include "index.h"

#include <stdlib.h>

enum {
	PREFIX_LIMIT = 63,        /* bytes: what a longer prefix has beyond them is left to the judge */
	RULE_KEY_LIMIT = 1 << 14, /* keys to weigh for one rule: a pattern that multiplies out to more is always asked */
};
/* How much worse than a field shared by no other branch: one that must be read out of data first; one that is only seen to be there. */
enum { PAST_HEAD_WEIGHT = 16, PRESENCE_WEIGHT = 1 << 24 };

struct slot { /* free: uses is 0 */
	uint64_t key;
	uint32_t uses;  /* branches with a field that has this key */
	uint32_t first; /* posting; 0: none */
	uint32_t place; /* in tn_asking.seen */
};
struct posting {
	uint32_t rule, next;
};
struct spot { /* a path in a view: which leaves at it need looking up */
	bool used;
	uint64_t prefix_lengths; /* bit n: some prefix is n bytes long */
	size_t longest;          /* text in any key: no leaf is hashed further */
};
struct tn_index {
	uint64_t *always; /* rules */
	uint32_t words;
	struct slot *slots;
	uint32_t slot_count, slots_used, places;
	struct posting *postings; /* from 1 up */
	uint32_t posting_count, posting_capacity;
	struct spot *spots[TN_VIEW_COUNT]; /* of each path */
	enum tn_extent extent[TN_VIEW_COUNT];
};

static void *resized(void *old, size_t count, size_t size)
{
	void *memory = realloc(old, count * size);
	if (!memory)
		abort();
	return memory;
}

static void *zeroed(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);
	if (!memory)
		abort();
	return memory;
}

/* --- Keys --- */

enum key_kind { KEY_PRESENT, KEY_STRING, KEY_PREFIX, KEY_NUMBER, KEY_TRUE, KEY_FALSE, KEY_NULL };

/* FNV-1a in 64 bits: a text and its beginnings are hashed in one pass. */
static uint64_t begin_hash(enum tn_view view, uint32_t path)
{
	return 14695981039346656037u ^ (((uint64_t)path * TN_VIEW_COUNT + view) * 0x9e3779b97f4a7c15u);
}

static uint64_t hash_byte(uint64_t hash, char byte)
{
	return (hash ^ (unsigned char)byte) * 1099511628211u;
}

static uint64_t hash_text(uint64_t hash, struct tn_str text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = hash_byte(hash, text.bytes[i]);
	return hash;
}

/* Spreads what was hashed over all bits, for the table uses the lowest. */
static uint64_t end_hash(uint64_t hash, enum key_kind kind)
{
	hash = (hash ^ ((uint64_t)kind << 56) ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
	return hash ^ (hash >> 32);
}

/* Equal numbers have equal keys; the digits after the first 19 do not count. */
static uint64_t number_key(uint64_t hash, const struct tn_decimal *number)
{
	hash = (hash ^ number->lead) * 0x9e3779b97f4a7c15u;
	return end_hash(hash ^ (hash >> 32) ^ (uint64_t)(number->exponent * 4 + number->sign), KEY_NUMBER);
}

/* What every string that the clause accepts begins with; empty: no such thing. */
static struct tn_str clause_head(const struct tn_clause *clause)
{
	if (clause->kind != TN_CLAUSE_PREFIX && clause->kind != TN_CLAUSE_WILDCARD)
		return (struct tn_str){0};
	struct tn_str head = clause->kind == TN_CLAUSE_PREFIX ? clause->text : clause->wildcard.pieces[0];
	return head.len > PREFIX_LIMIT ? tn_str_make(head.bytes, PREFIX_LIMIT) : head;
}

static bool has_key(const struct tn_clause *clause)
{
	return clause->kind <= TN_CLAUSE_NULL || clause_head(clause).len > 0;
}

static uint64_t clause_key(uint64_t hash, const struct tn_clause *clause)
{
	switch (clause->kind) {
	case TN_CLAUSE_STRING:
		return end_hash(hash_text(hash, clause->text), KEY_STRING);
	case TN_CLAUSE_NUMBER:
		return number_key(hash, &clause->number);
	case TN_CLAUSE_TRUE:
		return end_hash(hash, KEY_TRUE);
	case TN_CLAUSE_FALSE:
		return end_hash(hash, KEY_FALSE);
	case TN_CLAUSE_NULL:
		return end_hash(hash, KEY_NULL);
	default:
		return end_hash(hash_text(hash, clause_head(clause)), KEY_PREFIX);
	}
}

/* --- The table --- */

static struct slot *find_slot(const struct tn_index *index, uint64_t key)
{
	uint32_t mask = index->slot_count - 1, at = (uint32_t)key & mask;
	while (index->slots[at].uses && index->slots[at].key != key)
		at = (at + 1) & mask;
	return &index->slots[at];
}

static void grow_slots(struct tn_index *index)
{
	struct slot *old = index->slots;
	uint32_t old_count = index->slot_count;
	index->slot_count *= 2;
	index->slots = zeroed(index->slot_count, sizeof *index->slots);
	for (uint32_t i = 0; i < old_count; i++)
		if (old[i].uses)
			*find_slot(index, old[i].key) = old[i];
	free(old);
}

static void count_use(struct tn_index *index, uint64_t key)
{
	struct slot *slot = find_slot(index, key);
	if (slot->uses++)
		return;
	slot->key = key;
	if (++index->slots_used * 2 > index->slot_count)
		grow_slots(index);
}

/* Rules come in order, so one that is posted here already, by another branch, is first. */
static void post(struct tn_index *index, uint64_t key, uint32_t rule)
{
	struct slot *slot = find_slot(index, key);
	if (slot->first && index->postings[slot->first].rule == rule)
		return;
	if (index->posting_count + 1 >= index->posting_capacity) {
		index->posting_capacity = index->posting_capacity ? index->posting_capacity * 2 : 64;
		index->postings = resized(index->postings, index->posting_capacity, sizeof *index->postings);
	}
	if (!slot->first)
		slot->place = index->places++;
	uint32_t number = ++index->posting_count;
	index->postings[number] = (struct posting){rule, slot->first};
	slot->first = number;
}

/* --- Building --- */

struct draft {
	struct tn_index *index;
	const struct tn_ruleset *ruleset;
	uint64_t *keys; /* of one field */
	uint32_t key_count, key_capacity;
};

static void add_key(struct draft *draft, uint64_t key)
{
	if (draft->key_count == draft->key_capacity) {
		draft->key_capacity = draft->key_capacity ? draft->key_capacity * 2 : 64;
		draft->keys = resized(draft->keys, draft->key_capacity, sizeof *draft->keys);
	}
	draft->keys[draft->key_count++] = key;
}

/* Has the field keys better than that its path is there? */
static bool is_telling(const struct tn_field *field)
{
	for (const struct tn_clause *clause = field->values->first; clause; clause = clause->next)
		if (!has_key(clause))
			return false;
	return true;
}

static void gather_keys(struct draft *draft, enum tn_view view, const struct tn_field *field)
{
	uint64_t hash = begin_hash(view, field->path);
	draft->key_count = 0;
	if (!is_telling(field)) {
		add_key(draft, end_hash(hash, KEY_PRESENT));
		return;
	}
	for (const struct tn_clause *clause = field->values->first; clause; clause = clause->next)
		add_key(draft, clause_key(hash, clause));
}

static bool is_in_head(const struct draft *draft, enum tn_view view, const struct tn_field *field)
{
	return tn_view_has_in_head(view, tn_paths_name(&draft->ruleset->paths, field->path));
}

static bool is_worth_weighing(const struct tn_rule *rule)
{
	uint64_t keys = 0;
	for (uint32_t i = 0; i < rule->code.branch_count; i++)
		for (uint32_t j = 0; j < rule->code.branches[i].count; j++)
			keys += rule->code.branches[i].fields[j].values->count;
	return keys <= RULE_KEY_LIMIT;
}

static void count_rule(struct draft *draft, const struct tn_rule *rule)
{
	for (uint32_t i = 0; i < rule->code.branch_count; i++)
		for (uint32_t j = 0; j < rule->code.branches[i].count; j++) {
			const struct tn_field *field = &rule->code.branches[i].fields[j];
			if (field->values->absence)
				continue;
			gather_keys(draft, rule->view, field);
			for (uint32_t k = 0; k < draft->key_count; k++)
				count_use(draft->index, draft->keys[k]);
		}
}

/* Less is better. */
static uint64_t weigh(struct draft *draft, enum tn_view view, const struct tn_field *field)
{
	uint64_t weight = 0;
	if (!is_telling(field))
		weight += PRESENCE_WEIGHT;
	if (!is_in_head(draft, view, field))
		weight += PAST_HEAD_WEIGHT;
	gather_keys(draft, view, field);
	for (uint32_t i = 0; i < draft->key_count; i++)
		weight += find_slot(draft->index, draft->keys[i])->uses;
	return weight;
}

/* NULL: all its fields may be absent. */
static const struct tn_field *choose_field(struct draft *draft, enum tn_view view, const struct tn_branch *branch)
{
	const struct tn_field *best = NULL;
	uint64_t least = UINT64_MAX;
	for (uint32_t i = 0; i < branch->count; i++) {
		const struct tn_field *field = &branch->fields[i];
		uint64_t weight = field->values->absence ? UINT64_MAX : weigh(draft, view, field);
		if (weight < least) {
			least = weight;
			best = field;
		}
	}
	return best;
}

/* Lets look-ups see what the field's keys need to see. */
static void mark_spot(struct tn_index *index, enum tn_view view, const struct tn_field *field)
{
	struct spot *spot = &index->spots[view][field->path];
	spot->used = true;
	for (const struct tn_clause *clause = field->values->first; clause; clause = clause->next) {
		size_t len = clause->kind == TN_CLAUSE_STRING ? clause->text.len : clause_head(clause).len;
		if (clause->kind != TN_CLAUSE_STRING && len)
			spot->prefix_lengths |= UINT64_C(1) << len;
		if (len > spot->longest)
			spot->longest = len;
	}
}

/* False: some branch of it has no keys. */
static bool post_rule(struct draft *draft, uint32_t number)
{
	const struct tn_rule *rule = &draft->ruleset->rules[number];
	struct tn_index *index = draft->index;
	for (uint32_t i = 0; i < rule->code.branch_count; i++) {
		const struct tn_field *field = choose_field(draft, rule->view, &rule->code.branches[i]);
		if (!field)
			return false;
		gather_keys(draft, rule->view, field);
		for (uint32_t k = 0; k < draft->key_count; k++)
			post(index, draft->keys[k], number);
		mark_spot(index, rule->view, field);
		if (index->extent[rule->view] == TN_EXTENT_NOTHING)
			index->extent[rule->view] = TN_EXTENT_HEAD;
		if (!is_in_head(draft, rule->view, field))
			index->extent[rule->view] = TN_EXTENT_ALL;
	}
	return true;
}

struct tn_index *tn_index_new(const struct tn_ruleset *ruleset)
{
	struct tn_index *index = zeroed(1, sizeof *index);
	struct draft draft = {index, ruleset, NULL, 0, 0};
	index->words = tn_index_words(ruleset->rule_count);
	index->always = zeroed(index->words, sizeof *index->always);
	index->slot_count = 64;
	index->slots = zeroed(index->slot_count, sizeof *index->slots);
	for (int view = 0; view < TN_VIEW_COUNT; view++)
		index->spots[view] = zeroed(ruleset->paths.count, sizeof **index->spots);
	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		if (!ruleset->rules[i].disabled && is_worth_weighing(&ruleset->rules[i]))
			count_rule(&draft, &ruleset->rules[i]);
	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		if (!ruleset->rules[i].disabled && (!is_worth_weighing(&ruleset->rules[i]) || !post_rule(&draft, i)))
			index->always[i / 64] |= UINT64_C(1) << (i % 64);
	free(draft.keys);
	return index;
}

void tn_index_free(struct tn_index *index)
{
	if (!index)
		return;
	for (int view = 0; view < TN_VIEW_COUNT; view++)
		free(index->spots[view]);
	free(index->always);
	free(index->slots);
	free(index->postings);
	free(index);
}

/* --- Looking up --- */

void tn_asking_fini(struct tn_asking *asking)
{
	free(asking->rules);
	free(asking->seen);
	*asking = (struct tn_asking){0};
}

void tn_index_begin(const struct tn_index *index, struct tn_asking *asking)
{
	if (index->words > asking->rules_capacity) {
		asking->rules = resized(asking->rules, index->words, sizeof *asking->rules);
		asking->rules_capacity = index->words;
	}
	if (index->places > asking->seen_capacity) {
		free(asking->seen);
		asking->seen = zeroed(index->places, sizeof *asking->seen);
		asking->seen_capacity = index->places;
	}
	for (uint32_t i = 0; i < index->words; i++)
		asking->rules[i] = index->always[i];
	asking->event++;
}

static void add_rules(const struct tn_index *index, uint64_t key, struct tn_asking *asking)
{
	const struct slot *slot = find_slot(index, key);
	if (!slot->first || asking->seen[slot->place] == asking->event)
		return;
	asking->seen[slot->place] = asking->event;
	for (uint32_t number = slot->first; number; number = index->postings[number].next) {
		uint32_t rule = index->postings[number].rule;
		asking->rules[rule / 64] |= UINT64_C(1) << (rule % 64);
	}
}

static void look_up_text(const struct tn_index *index, const struct spot *spot, uint64_t hash, struct tn_str text, struct tn_asking *asking)
{
	size_t end = text.len < spot->longest ? text.len : spot->longest;
	for (size_t len = 1; len <= end; len++) {
		hash = hash_byte(hash, text.bytes[len - 1]);
		if (len <= PREFIX_LIMIT && spot->prefix_lengths >> len & 1)
			add_rules(index, end_hash(hash, KEY_PREFIX), asking);
	}
	if (end == text.len)
		add_rules(index, end_hash(hash, KEY_STRING), asking);
}

static void look_up_leaf(const struct tn_index *index, const struct spot *spot, uint64_t hash, const struct tn_leaf *leaf, struct tn_asking *asking)
{
	switch (leaf->kind) {
	case TN_LEAF_STRING:
		look_up_text(index, spot, hash, leaf->text, asking);
		break;
	case TN_LEAF_NUMBER:
		add_rules(index, number_key(hash, &leaf->number), asking);
		break;
	case TN_LEAF_TRUE:
		add_rules(index, end_hash(hash, KEY_TRUE), asking);
		break;
	case TN_LEAF_FALSE:
		add_rules(index, end_hash(hash, KEY_FALSE), asking);
		break;
	case TN_LEAF_NULL:
		add_rules(index, end_hash(hash, KEY_NULL), asking);
		break;
	}
}

void tn_index_look_up(const struct tn_index *index, enum tn_view view, const struct tn_leaves *leaves, struct tn_asking *asking)
{
	for (uint32_t i = 0; i < leaves->touched_count; i++) {
		uint32_t path = leaves->touched[i];
		const struct spot *spot = &index->spots[view][path];
		if (!spot->used)
			continue;
		uint64_t hash = begin_hash(view, path);
		add_rules(index, end_hash(hash, KEY_PRESENT), asking);
		for (const struct tn_leaf *leaf = tn_leaves_first(leaves, path); leaf; leaf = tn_leaves_next(leaves, leaf))
			look_up_leaf(index, spot, hash, leaf, asking);
	}
}

enum tn_extent tn_index_extent(const struct tn_index *index, enum tn_view view)
{
	return index->extent[view];
}
