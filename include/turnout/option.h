/* SPDX-License-Identifier: Apache-2.0
 *
 * option.h - settings as tables: each is one row; parsing, validation, defaults, help and JSON Schema all come from the rows.
 *
 * A table ends with a row whose name is NULL. Names are those of the configuration file.
 */
#ifndef TURNOUT_OPTION_H
#define TURNOUT_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "turnout/doc.h"
#include "turnout/error.h"
#include "turnout/secret.h"

enum tn_option_type {
	TN_OPTION_TEXT,      /* struct tn_str */
	TN_OPTION_PATH,      /* struct tn_str: a file or folder; relative ones are relative to the configuration file's folder */
	TN_OPTION_BOOL,      /* bool */
	TN_OPTION_NUMBER,    /* uint64_t, within min..max */
	TN_OPTION_DURATION,  /* int64_t milliseconds: 250ms, 15s, 5m, 2h, 14d; within min..max */
	TN_OPTION_SIZE,      /* uint64_t bytes: 512, 64KiB, 1MiB, 4GiB; within min..max */
	TN_OPTION_CHOICE,    /* uint32_t: index into choices */
	TN_OPTION_SECRET,    /* struct tn_secret: env:NAME or file:PATH (as TN_OPTION_PATH) only */
	TN_OPTION_SECRETS,   /* struct tn_secrets: a list of those */
	TN_OPTION_TEXTS,     /* struct tn_texts: a list of strings */
	TN_OPTION_PAIRS,     /* struct tn_pairs: a map of name -> string or secret reference */
	TN_OPTION_LATER,     /* known by name, refused: `help` says what and that it comes later */
};

struct tn_texts {
	struct tn_str *items;
	size_t count;
};
struct tn_secrets {
	struct tn_secret *items;
	size_t count;
};
struct tn_pair {
	struct tn_str name;
	struct tn_secret value; /* plain text too: a secret with a literal */
};
struct tn_pairs {
	struct tn_pair *items;
	size_t count;
};

struct tn_option {
	const char *name;                 /* "timeout"; a dot descends: "tls.certificate" */
	enum tn_option_type type;
	size_t offset;                    /* into the struct the table fills; unused for LATER */
	const char *standard;             /* default, as one would write it; NULL: zero value */
	bool required, reloadable;
	uint64_t min, max;                /* inclusive; both 0: the type's own range */
	const char *const *choices;       /* NULL-terminated */
	const char *help;                 /* one line, with the unit */
};

/* Fills out (zeroed before) from a map node: defaults first, then what is there. Unknown names are TN_INVALID with a suggestion; so are
 * wrong types, ranges, and missing required ones. tables: several tables that fill the same struct, NULL-terminated. Strings are copied
 * into arena. TN_UNSUPPORTED for LATER rows. also_known: names the caller reads itself, NULL-terminated; may be NULL. */
enum tn_status tn_option_parse(const struct tn_doc *doc, const struct tn_doc_node *map, const struct tn_option *const *tables,
	const char *const *also_known, struct tn_arena *arena, void *out, struct tn_error *error) TN_MUST_CHECK;

/* "15s" and so on; false: not one. */
bool tn_duration_parse(struct tn_str text, int64_t *out_ms);
bool tn_size_parse(struct tn_str text, uint64_t *out_bytes);
/* Appends rows as help text, aligned, one row a line. */
void tn_option_help(const struct tn_option *table, struct tn_buf *out);

#endif
