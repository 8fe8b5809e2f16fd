/* SPDX-License-Identifier: Apache-2.0
 *
 * doc_yaml.c - reads a YAML text into a document tree.
 *
 * Called by doc.c. libyaml judges the text and yields events; here they are placed, and what would make a file mean more than it
 * shows (anchors, aliases, merge keys, tags, a second document) is refused by name. One thread.
 */
#include "doc_build.h"
#include "turnout/json.h"

#include <stdlib.h>
#include <yaml.h>

static uint32_t line_of(yaml_mark_t mark)
{
	return (uint32_t)mark.line + 1;
}

static uint32_t column_of(yaml_mark_t mark)
{
	return (uint32_t)mark.column + 1;
}

static enum tn_status refuse_syntax(struct tn_doc_build *build, const yaml_parser_t *parser, struct tn_str text)
{
	struct tn_doc_cursor place = {0, line_of(parser->problem_mark), column_of(parser->problem_mark)};
	const char *problem = parser->problem ? parser->problem : "cannot be read";
	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	if (parser->error == YAML_READER_ERROR) {
		place = (struct tn_doc_cursor){0, 1, 1};
		tn_doc_cursor_move(&place, text, parser->problem_offset);
	}
	tn_error_at(build->error, build->doc->file, place.line, place.column, "not valid YAML: %s%s%s",
		parser->context ? parser->context : "", parser->context ? ", " : "", problem);
	return TN_INVALID;
}

static enum tn_status refuse(struct tn_doc_build *build, const yaml_event_t *event, const char *why)
{
	tn_error_at(build->error, build->doc->file, line_of(event->start_mark), column_of(event->start_mark), "%s", why);
	return TN_INVALID;
}

static enum tn_status check_marks(struct tn_doc_build *build, const yaml_event_t *event, const yaml_char_t *anchor,
	const yaml_char_t *tag)
{
	if (anchor)
		return refuse(build, event, "anchors (&name) are not supported; write the value out where it is needed");
	if (tag)
		return refuse(build, event, "tags (!name) are not supported; quote a value that is meant as text");
	return TN_OK;
}

static bool is_number(struct tn_str text)
{
	return text.len && (text.bytes[0] == '-' || (text.bytes[0] >= '0' && text.bytes[0] <= '9')) &&
		tn_json_valid(text, 1);
}

static enum tn_doc_kind scalar_kind(const yaml_event_t *event, struct tn_str text)
{
	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return TN_DOC_STRING;
	if (text.len == 0 || tn_str_is(text, "~") || tn_str_is(text, "null"))
		return TN_DOC_NULL;
	if (tn_str_is(text, "true") || tn_str_is(text, "false"))
		return TN_DOC_BOOL;
	return is_number(text) ? TN_DOC_NUMBER : TN_DOC_STRING;
}

static enum tn_status add_name(struct tn_doc_build *build, const yaml_event_t *event, struct tn_str text)
{
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (text.len == 0)
			return refuse(build, event, "a name is missing before ':'");
		if (tn_str_is(text, "<<"))
			return refuse(build, event, "merge keys (<<) are not supported; write the members out");
	}
	tn_doc_build_name(build, tn_arena_copy(&build->doc->arena, text), line_of(event->start_mark),
		column_of(event->start_mark));
	return TN_OK;
}

static enum tn_status add_scalar(struct tn_doc_build *build, const yaml_event_t *event)
{
	struct tn_str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
	enum tn_status status = check_marks(build, event, event->data.scalar.anchor, event->data.scalar.tag);
	if (status != TN_OK)
		return status;
	if (tn_doc_build_wants_name(build))
		return add_name(build, event, text);
	struct tn_doc_node *node;
	status = tn_doc_build_value(build, scalar_kind(event, text), line_of(event->start_mark),
		column_of(event->start_mark), &node);
	if (status != TN_OK)
		return status;
	node->text = tn_arena_copy(&build->doc->arena, text);
	node->truth = node->kind == TN_DOC_BOOL && tn_str_is(text, "true");
	return TN_OK;
}

static enum tn_status open_container(struct tn_doc_build *build, const yaml_event_t *event)
{
	bool map = event->type == YAML_MAPPING_START_EVENT;
	enum tn_status status = check_marks(build, event,
		map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
		map ? event->data.mapping_start.tag : event->data.sequence_start.tag);
	if (status != TN_OK)
		return status;
	if (tn_doc_build_wants_name(build))
		return refuse(build, event, "a name must be a plain or quoted word, not a map or a list");
	struct tn_doc_node *node;
	return tn_doc_build_value(build, map ? TN_DOC_MAP : TN_DOC_LIST, line_of(event->start_mark),
		column_of(event->start_mark), &node);
}

static enum tn_status take_event(struct tn_doc_build *build, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return build->doc->root ? refuse(build, event, "several documents in one file are not supported") : TN_OK;
	case YAML_ALIAS_EVENT:
		return refuse(build, event, "aliases (*name) are not supported; write the value out");
	case YAML_SCALAR_EVENT:
		return add_scalar(build, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return open_container(build, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return tn_doc_build_close(build);
	default:
		return TN_OK;
	}
}

static enum tn_status read_events(struct tn_doc_build *build, yaml_parser_t *parser, struct tn_str text)
{
	for (;;) {
		yaml_event_t event;
		if (!yaml_parser_parse(parser, &event))
			return refuse_syntax(build, parser, text);
		bool last = event.type == YAML_STREAM_END_EVENT;
		enum tn_status status = take_event(build, &event);
		yaml_event_delete(&event);
		if (status != TN_OK || last)
			return status;
	}
}

enum tn_status tn_doc_yaml_read(struct tn_doc_build *build, struct tn_str text)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.bytes, text.len);
	enum tn_status status = read_events(build, &parser, text);
	yaml_parser_delete(&parser);
	if (status != TN_OK || build->doc->root)
		return status;
	struct tn_doc_node *nothing;
	return tn_doc_build_value(build, TN_DOC_NULL, 1, 1, &nothing);
}
