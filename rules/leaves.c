/* SPDX-License-Identifier: Apache-2.0
 *
 * leaves.c - reads an event into leaves, passing over whatever no path names. Never recurses; depth is the scanner's limit.
 *
 * Called by pattern.c with a JSON text and by view.c with an event's parts. Once its memory is warm it allocates nothing.
 */
#include "leaves.h"
#include "turnout/json.h"

#include <stdlib.h>

/* An object or array that is open, and what paths go through it. */
struct tn_leaves_frame {
	uint32_t node;    /* where the container stands: its elements, if an array, stand there too */
	uint32_t context; /* of what lies directly in it */
	uint32_t array;   /* 0: an object */
	bool element;     /* context is its own */
};

void tn_leaves_fini(struct tn_leaves *leaves)
{
	free(leaves->items);
	free(leaves->first);
	free(leaves->last);
	free(leaves->touched);
	free(leaves->contexts);
	free(leaves->frames);
	tn_arena_fini(&leaves->strings);
	*leaves = (struct tn_leaves){0};
}

static void *resized(void *old, size_t count, size_t size)
{
	void *memory = realloc(old, count * size);
	if (!memory)
		abort();
	return memory;
}

static void make_room_for_paths(struct tn_leaves *leaves, uint32_t count)
{
	leaves->first = resized(leaves->first, count, sizeof *leaves->first);
	leaves->last = resized(leaves->last, count, sizeof *leaves->last);
	leaves->touched = resized(leaves->touched, count, sizeof *leaves->touched);
	memset(leaves->first, 0, count * sizeof *leaves->first);
	leaves->path_capacity = count;
	leaves->touched_count = 0;
}

static uint32_t add_context(struct tn_leaves *leaves, uint32_t parent, uint32_t array)
{
	if (leaves->context_count == leaves->context_capacity) {
		leaves->context_capacity = leaves->context_capacity ? leaves->context_capacity * 2 : 64;
		leaves->contexts = resized(leaves->contexts, leaves->context_capacity, sizeof *leaves->contexts);
	}
	uint32_t depth = array ? leaves->contexts[parent].depth + 1 : 0;
	leaves->contexts[leaves->context_count] = (struct tn_context){parent, array, depth, UINT32_MAX};
	return leaves->context_count++;
}

void tn_leaves_begin(struct tn_leaves *leaves, const struct tn_paths *paths)
{
	for (uint32_t i = 0; i < leaves->touched_count; i++)
		leaves->first[leaves->touched[i]] = 0;
	leaves->touched_count = 0;
	if (paths->count > leaves->path_capacity)
		make_room_for_paths(leaves, paths->count);
	if (!leaves->frames)
		leaves->frames = resized(NULL, TN_JSON_DEPTH_LIMIT, sizeof *leaves->frames);
	leaves->paths = paths;
	leaves->count = 0;
	leaves->context_count = leaves->array_count = 0;
	add_context(leaves, 0, 0);
	tn_arena_reset(&leaves->strings);
}

static void add_leaf(struct tn_leaves *leaves, uint32_t path, uint32_t context, enum tn_leaf_kind kind, struct tn_str text)
{
	if (leaves->count + 1 >= leaves->capacity) {
		leaves->capacity = leaves->capacity ? leaves->capacity * 2 : 64;
		leaves->items = resized(leaves->items, leaves->capacity, sizeof *leaves->items);
	}
	uint32_t number = ++leaves->count;
	struct tn_leaf *leaf = &leaves->items[number];
	*leaf = (struct tn_leaf){.kind = kind, .context = context, .text = text};
	if (kind == TN_LEAF_NUMBER)
		leaf->number = tn_decimal_parse(text);
	if (leaves->first[path] == 0) {
		leaves->first[path] = number;
		leaves->touched[leaves->touched_count++] = path;
	} else {
		leaves->items[leaves->last[path]].next = number;
	}
	leaves->last[path] = number;
}

void tn_leaves_add(struct tn_leaves *leaves, uint32_t node, enum tn_leaf_kind kind, struct tn_str text)
{
	uint32_t path = node == TN_PATHS_NONE ? TN_PATHS_NONE : tn_paths_at(leaves->paths, node);
	if (path != TN_PATHS_NONE)
		add_leaf(leaves, path, 0, kind, text);
}

static struct tn_str plain_text(struct tn_leaves *leaves, const struct tn_json_token *token)
{
	if (!token->escaped)
		return token->text;
	char *bytes = tn_arena_alloc(&leaves->strings, token->text.len);
	return tn_str_make(bytes, tn_json_unescape_to(token->text, bytes));
}

static void add_scalar(struct tn_leaves *leaves, uint32_t node, uint32_t context, const struct tn_json_token *token)
{
	uint32_t path = tn_paths_at(leaves->paths, node);
	if (path == TN_PATHS_NONE)
		return;
	switch (token->kind) {
	case TN_JSON_STRING:
		add_leaf(leaves, path, context, TN_LEAF_STRING, plain_text(leaves, token));
		break;
	case TN_JSON_NUMBER:
		add_leaf(leaves, path, context, TN_LEAF_NUMBER, token->text);
		break;
	case TN_JSON_TRUE:
		add_leaf(leaves, path, context, TN_LEAF_TRUE, token->text);
		break;
	case TN_JSON_FALSE:
		add_leaf(leaves, path, context, TN_LEAF_FALSE, token->text);
		break;
	default:
		add_leaf(leaves, path, context, TN_LEAF_NULL, token->text);
	}
}

/* Enters the object or array that token opened: an element of an array gets a context of its own. */
static void open_frame(struct tn_leaves *leaves, uint32_t depth, uint32_t node, enum tn_json_kind kind)
{
	const struct tn_leaves_frame *parent = depth ? &leaves->frames[depth - 1] : NULL;
	uint32_t context = parent ? parent->context : 0;
	bool element = parent && parent->array;
	if (element)
		context = add_context(leaves, context, parent->array);
	leaves->frames[depth] = (struct tn_leaves_frame){
		.node = node,
		.context = context,
		.array = kind == TN_JSON_ARRAY ? ++leaves->array_count : 0,
		.element = element,
	};
}

static void close_frame(struct tn_leaves *leaves, const struct tn_leaves_frame *frame)
{
	if (frame->element)
		leaves->contexts[frame->context].end = leaves->context_count;
}

/* at stands behind a quote that opens; answers the place behind the one that closes. */
static size_t pass_string(struct tn_str text, size_t at)
{
	for (;;) {
		const char *quote = memchr(text.bytes + at, '"', text.len - at);
		if (!quote)
			return text.len;
		size_t end = (size_t)(quote - text.bytes), slashes = 0;
		while (end - slashes > at && text.bytes[end - slashes - 1] == '\\')
			slashes++;
		at = end + 1;
		if (slashes % 2 == 0)
			return at;
	}
}

/* at stands behind a bracket that opens; answers the place of the one that closes. In what is not JSON that is any place up to the end. */
static size_t find_close(struct tn_str text, size_t at)
{
	size_t depth = 1;
	while (at < text.len) {
		char byte = text.bytes[at++];
		if (byte == '"')
			at = pass_string(text, at);
		else if (byte == '{' || byte == '[')
			depth++;
		else if ((byte == '}' || byte == ']') && --depth == 0)
			return at - 1;
	}
	return text.len;
}

struct reading {
	struct tn_leaves *leaves;
	struct tn_json json;
	uint32_t depth; /* frames open; containers that no path enters are passed over whole */
	uint32_t node;  /* where the next value stands */
	bool checked;
};

/* token opened an object or array that no path enters. */
static enum tn_status pass_container(struct reading *reading, const struct tn_json_token *token)
{
	struct tn_json_token close;
	size_t end;
	if (!reading->checked)
		return tn_json_skip(&reading->json, token, &end);
	reading->json.at = find_close(reading->json.text, reading->json.at);
	return tn_json_next(&reading->json, &close);
}

static enum tn_status take_value(struct reading *reading, const struct tn_json_token *token)
{
	struct tn_leaves *leaves = reading->leaves;
	const struct tn_leaves_frame *frame = reading->depth ? &leaves->frames[reading->depth - 1] : NULL;
	uint32_t node = frame && frame->array ? frame->node : reading->node;
	bool container = token->kind == TN_JSON_OBJECT || token->kind == TN_JSON_ARRAY;
	if (!container) {
		if (node != TN_PATHS_NONE)
			add_scalar(leaves, node, frame ? frame->context : 0, token);
		return TN_OK;
	}
	if (node == TN_PATHS_NONE || (token->kind == TN_JSON_OBJECT && !tn_paths_go_on(leaves->paths, node)))
		return pass_container(reading, token);
	open_frame(leaves, reading->depth++, node, token->kind);
	return TN_OK;
}

enum tn_status tn_leaves_read(struct tn_leaves *leaves, uint32_t node, struct tn_str json, bool checked, size_t *out_at)
{
	struct reading reading = {.leaves = leaves, .node = node, .checked = checked};
	struct tn_json_token token;
	tn_json_init(&reading.json, json, TN_JSON_DEPTH_LIMIT);
	enum tn_status status;
	while ((status = tn_json_next(&reading.json, &token)) == TN_OK && token.kind != TN_JSON_END) {
		if (token.kind == TN_JSON_NAME)
			reading.node = tn_paths_step(leaves->paths, leaves->frames[reading.depth - 1].node,
				plain_text(leaves, &token));
		else if (token.kind == TN_JSON_OBJECT_END || token.kind == TN_JSON_ARRAY_END)
			close_frame(leaves, &leaves->frames[--reading.depth]);
		else if ((status = take_value(&reading, &token)) != TN_OK)
			break;
	}
	if (status != TN_OK)
		*out_at = reading.json.fault_at;
	return status;
}

void tn_leaf_to_json(const struct tn_leaf *leaf, struct tn_buf *out)
{
	if (leaf->kind == TN_LEAF_STRING)
		tn_json_quote(out, leaf->text);
	else if (leaf->kind == TN_LEAF_NUMBER)
		tn_buf_add_str(out, leaf->text);
	else
		tn_buf_add_text(out, leaf->kind == TN_LEAF_TRUE ? "true" : leaf->kind == TN_LEAF_FALSE ? "false" : "null");
}
