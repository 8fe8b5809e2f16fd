/* SPDX-License-Identifier: Apache-2.0
 *
 * file_check.c - is the data file one that LMDB can walk?
 *
 * Called by store.c before LMDB maps the file. Records have checksums of their own, but the trees that hold them have
 * none, and LMDB (0.9, 64 bits, mdb.c) does not check the pages it walks: a damaged one makes it read beyond the map,
 * lose keys, or hand out a page twice. So all trees are walked here once, by reading: page numbers and kinds, bounds of
 * nodes, the order of keys over the whole tree, the numbers of pages and entries against what the tree says of itself,
 * no page used twice, and the list of free pages against those in use.
 *
 *   meta 0, meta 1 --the later one--> free pages (by transaction)
 *                                 '-> main --> meta, events, rows, ...: a tree each, whose root stands in a leaf of
 * main
 */
#include "file_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "environment.h"

/* --- LMDB's format, in the machine's byte order --- */

enum { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04, PAGE_META = 0x08, PAGE_KEEP = 0x8000 };
enum { NODE_BIG = 0x01, NODE_TREE = 0x02 };
enum { PAGE_HEAD = 16, NODE_HEAD = 8, LONGEST_KEY = 511, DEEPEST = 32, SMALLEST_PAGE = 512, LARGEST_PAGE = 32768 };
static const uint32_t meta_magic = 0xBEEFC0DE, meta_version = 1;
static const uint64_t no_page = UINT64_MAX;

struct page_head {
	uint64_t number;
	uint16_t pad, flags, lower, upper; /* of an overflow page the last two are one number: pages */
};
struct node_head {
	uint16_t low, high, flags, key_size;
};
struct tree {
	uint32_t pad;
	uint16_t flags, depth;
	uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};
struct meta {
	uint32_t magic, version;
	uint64_t address, map_bytes;
	struct tree free, main;
	uint64_t last_page, txn_id;
};

struct checking {
	int fd;
	const char *path;
	uint32_t page_bytes;
	uint64_t file_pages;
	struct meta meta;
	uint8_t *used; /* a bit for each page up to last_page */
	uint16_t begins[LARGEST_PAGE / 2]; /* sizes of entries, where they begin in the page at hand; 0: none does */
	uint8_t *levels[DEEPEST]; /* a page each; those of a tree in main begin behind main's own */
	unsigned level; /* how many are in use */
	struct tn_error *error;
};
struct walk { /* of one tree */
	const char *name;
	struct tree found; /* counted */
	unsigned depth;
	bool by_number; /* keys are the machine's integers */
	uint8_t last[LONGEST_KEY], floor[LONGEST_KEY]; /* the key before; what the next must not be below */
	size_t last_size, floor_size;
	bool has_last;
	enum tn_status (*leaf)(struct checking *checking, const uint8_t *key, size_t key_size, const uint8_t *data,
	        size_t size, unsigned flags);
};

static enum tn_status damaged(struct checking *checking, const char *tree, uint64_t page, const char *what)
{
	tn_error_set(checking->error,
	        "the store %s is damaged: page %llu of data.mdb (%s): %s. Nothing was changed. Keep a copy of the "
	        "folder; put a backup in its place, or "
	        "move it away to begin with an empty store",
	        checking->path, (unsigned long long)page, tree, what);
	return TN_INVALID;
}

/* --- Pages --- */

/* Beyond the end of the file: short. */
static bool read_at(const struct checking *checking, void *out, size_t len, uint64_t at)
{
	return pread(checking->fd, out, len, (off_t)at) == (ssize_t)len;
}

static bool is_used(const struct checking *checking, uint64_t page)
{
	return checking->used[page / 8] >> page % 8 & 1;
}

static enum tn_status use_page(struct checking *checking, const char *tree, uint64_t from, uint64_t page)
{
	if (page < 2 || page > checking->meta.last_page)
		return damaged(checking, tree, from, "it points beyond the pages that are in use");
	if (is_used(checking, page))
		return damaged(checking, tree, page, "it is used twice");
	checking->used[page / 8] |= (uint8_t)(1u << page % 8);
	return TN_OK;
}

static int compare_keys(const struct walk *walk, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	if (walk->by_number && a_size == 8 && b_size == 8) {
		uint64_t left, right;
		memcpy(&left, a, 8);
		memcpy(&right, b, 8);
		return left < right ? -1 : left > right;
	}
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
	return order != 0 ? order : a_size < b_size ? -1 : a_size > b_size;
}

/* --- Nodes --- */

struct node {
	struct node_head head;
	const uint8_t *key, *data;
	size_t size; /* of a leaf's data, wherever it lies */
	uint64_t child; /* of a branch */
};

static bool read_node(const struct checking *checking, const uint8_t *page, const struct page_head *head,
        unsigned index, bool leaf, struct node *out_node)
{
	uint16_t offset;
	memcpy(&offset, page + PAGE_HEAD + 2 * index, sizeof offset);
	if (offset < head->upper || offset % 2 != 0 || offset + (uint32_t)NODE_HEAD > checking->page_bytes)
		return false;
	struct node node;
	memcpy(&node.head, page + offset, sizeof node.head);
	size_t room = checking->page_bytes - offset - NODE_HEAD;
	if (node.head.key_size > LONGEST_KEY || node.head.key_size > room)
		return false;
	node.key = page + offset + NODE_HEAD;
	node.data = node.key + node.head.key_size;
	node.size = node.head.low | (size_t)node.head.high << 16;
	node.child = node.size | (uint64_t)node.head.flags << 32;
	size_t here = !leaf ? 0 : node.head.flags & NODE_BIG ? 8 : node.size;
	if (here > room - node.head.key_size || (leaf && (node.head.flags & ~(NODE_BIG | NODE_TREE)) != 0))
		return false;
	*out_node = node;
	return true;
}

static size_t size_of(const struct node *node, bool leaf)
{
	size_t data = !leaf ? 0 : node->head.flags & NODE_BIG ? 8 : node->size;
	return (NODE_HEAD + node->head.key_size + data + 1) & ~(size_t)1;
}

/* Entries lie side by side from `upper` to the page's end, each once. LMDB moves them by the sizes they say they have.
 * So: where they begin is marked with their size, and then walked from mark to mark. */
static bool entries_fill_page(struct checking *checking, const uint8_t *page, const struct page_head *head, bool leaf)
{
	unsigned count = (head->lower - PAGE_HEAD) / 2u;
	memset(checking->begins, 0, checking->page_bytes / 2 * sizeof *checking->begins);
	for (unsigned i = 0; i < count; i++) {
		struct node node;
		if (!read_node(checking, page, head, i, leaf, &node))
			return false;
		checking->begins[((size_t)(node.key - page) - NODE_HEAD) / 2] = (uint16_t)size_of(&node, leaf);
	}
	size_t at = head->upper;
	while (at < checking->page_bytes && checking->begins[at / 2] != 0) {
		at += checking->begins[at / 2];
		count--;
	}
	return at == checking->page_bytes && count == 0;
}

/* A large value on pages of its own: how many there are, and their head. */
static enum tn_status check_overflow(
        struct checking *checking, struct walk *walk, uint64_t from, const struct node *node)
{
	struct page_head head;
	uint64_t page;
	memcpy(&page, node->data, sizeof page);
	uint64_t needed = (PAGE_HEAD - 1 + node->size) / checking->page_bytes + 1;
	enum tn_status status = use_page(checking, walk->name, from, page);
	if (status != TN_OK)
		return status;
	if (!read_at(checking, &head, sizeof head, page * checking->page_bytes))
		return damaged(checking, walk->name, page, "it is beyond the end of the file");
	uint64_t pages = head.lower | (uint32_t)head.upper << 16;
	if (head.number != page || (head.flags & ~PAGE_KEEP) != PAGE_OVERFLOW || pages < needed ||
	        pages > checking->meta.last_page - page + 1)
		return damaged(checking, walk->name, page, "it is not the large value that was expected there");
	if (page + needed > checking->file_pages)
		return damaged(checking, walk->name, page, "the file ends within a large value");
	walk->found.overflow_pages += pages;
	for (uint64_t i = 1; i < pages && status == TN_OK; i++)
		status = use_page(checking, walk->name, page, page + i);
	return status;
}

static enum tn_status check_order(
        struct checking *checking, struct walk *walk, uint64_t page, const uint8_t *key, size_t size)
{
	if (walk->by_number && size != 8)
		return damaged(checking, walk->name, page, "a key has a size that is not its tree's");
	if (walk->has_last && compare_keys(walk, walk->last, walk->last_size, key, size) >= 0)
		return damaged(checking, walk->name, page, "keys are out of order");
	return TN_OK;
}

static enum tn_status check_leaf_node(
        struct checking *checking, struct walk *walk, uint64_t page, const struct node *node)
{
	enum tn_status status = check_order(checking, walk, page, node->key, node->head.key_size);
	if (status != TN_OK)
		return status;
	if (compare_keys(walk, node->key, node->head.key_size, walk->floor, walk->floor_size) < 0)
		return damaged(checking, walk->name, page, "a key is below what leads to it");
	memcpy(walk->last, node->key, node->head.key_size);
	walk->last_size = node->head.key_size;
	walk->has_last = true;
	walk->found.entries++;
	if (node->head.flags & NODE_BIG) {
		status = check_overflow(checking, walk, page, node);
		if (status != TN_OK)
			return status;
	}
	return walk->leaf
	               ? walk->leaf(checking, node->key, node->head.key_size, node->data, node->size, node->head.flags)
	       : (node->head.flags & NODE_TREE) != 0
	               ? damaged(checking, walk->name, page, "a value is marked as a tree")
	               : TN_OK;
}

/* --- Trees --- */

static enum tn_status check_page(
        struct checking *checking, struct walk *walk, uint64_t from, uint64_t number, unsigned depth);

static enum tn_status check_branch_node(struct checking *checking, struct walk *walk, uint64_t page,
        const struct node *node, bool first, unsigned depth)
{
	if (!first) { /* the first one's key is not looked at */
		enum tn_status status = check_order(checking, walk, page, node->key, node->head.key_size);
		if (status != TN_OK)
			return status;
		memcpy(walk->floor, node->key, node->head.key_size);
		walk->floor_size = node->head.key_size;
	}
	return check_page(checking, walk, page, node->child, depth + 1);
}

static enum tn_status read_page(struct checking *checking, struct walk *walk, uint64_t from, uint64_t number, bool leaf,
        uint8_t *out, struct page_head *out_head)
{
	enum tn_status status = use_page(checking, walk->name, from, number);
	if (status != TN_OK)
		return status;
	if (!read_at(checking, out, checking->page_bytes, number * checking->page_bytes))
		return damaged(checking, walk->name, number, "it is beyond the end of the file");
	memcpy(out_head, out, sizeof *out_head);
	if (out_head->number != number || (out_head->flags & ~PAGE_KEEP) != (leaf ? PAGE_LEAF : PAGE_BRANCH))
		return damaged(checking, walk->name, number, "it is not the page that was expected there");
	if (out_head->lower < PAGE_HEAD + 2 || out_head->lower % 2 != 0 || out_head->lower > out_head->upper ||
	        out_head->upper > checking->page_bytes)
		return damaged(checking, walk->name, number, "its bounds are wrong");
	if (!entries_fill_page(checking, out, out_head, leaf))
		return damaged(checking, walk->name, number, "its entries are not side by side");
	return TN_OK;
}

static uint8_t *take_level(struct checking *checking)
{
	if (checking->level == DEEPEST)
		return NULL;
	uint8_t **level = &checking->levels[checking->level++];
	if (!*level && !(*level = malloc(checking->page_bytes)))
		abort();
	return *level;
}

static enum tn_status check_page(
        struct checking *checking, struct walk *walk, uint64_t from, uint64_t number, unsigned depth)
{
	struct page_head head;
	bool leaf = depth == walk->depth;
	uint8_t *page = take_level(checking);
	if (!page)
		return damaged(checking, walk->name, number, "the tree is too deep");
	enum tn_status status = read_page(checking, walk, from, number, leaf, page, &head);
	if (status == TN_OK)
		*(leaf ? &walk->found.leaf_pages : &walk->found.branch_pages) += 1;
	for (unsigned i = 0; status == TN_OK && i < (head.lower - PAGE_HEAD) / 2u; i++) {
		struct node node;
		if (!read_node(checking, page, &head, i, leaf, &node))
			status = damaged(checking, walk->name, number, "an entry is outside of the page");
		else if (leaf)
			status = check_leaf_node(checking, walk, number, &node);
		else
			status = check_branch_node(checking, walk, number, &node, i == 0, depth);
	}
	checking->level--;
	return status;
}

/* holder: the page that says where the tree is. */
static enum tn_status check_tree(struct checking *checking, struct walk *walk, const struct tree *tree, uint64_t holder)
{
	enum tn_status status = TN_OK;
	walk->depth = tree->depth;
	walk->found = (struct tree){0};
	if (tree->root != no_page)
		status = tree->depth > 0 ? check_page(checking, walk, holder, tree->root, 1)
		                         : damaged(checking, walk->name, holder, "a tree that has a root has no depth");
	if (status == TN_OK &&
	        (walk->found.branch_pages != tree->branch_pages || walk->found.leaf_pages != tree->leaf_pages ||
	                walk->found.overflow_pages != tree->overflow_pages || walk->found.entries != tree->entries))
		return damaged(
		        checking, walk->name, holder, "the tree has other numbers of pages and entries than it says");
	return status;
}

static enum tn_status check_named(struct checking *checking, const uint8_t *key, size_t key_size, const uint8_t *data,
        size_t size, unsigned flags)
{
	char name[32];
	struct tree tree;
	snprintf(name, sizeof name, "%.*s", (int)(key_size < sizeof name ? key_size : sizeof name - 1),
	        (const char *)key);
	if (flags != NODE_TREE)
		return TN_OK; /* environment.c says that this is another program's */
	if (size != sizeof tree)
		return damaged(
		        checking, "main", checking->meta.main.root, "where a database should stand is something else");
	memcpy(&tree, data, sizeof tree);
	if (tree.flags != 0 && !tn_environment_knows(name))
		return TN_OK; /* likewise */
	if (tree.flags != 0)
		return damaged(checking, name, checking->meta.main.root,
		        "its keys are marked as of a kind that no database here has");
	struct walk walk = {.name = name};
	return check_tree(checking, &walk, &tree, checking->meta.main.root);
}

/* --- Free pages --- */

static enum tn_status check_free(struct checking *checking, const uint8_t *key, size_t key_size, const uint8_t *data,
        size_t size, unsigned flags)
{
	uint64_t txn_id, count, at = 0, page, before = UINT64_MAX;
	memcpy(&txn_id, key, sizeof txn_id);
	if (flags & NODE_BIG) {
		memcpy(&at, data, sizeof at);
		at = at * checking->page_bytes + PAGE_HEAD;
	}
	uint8_t *list = malloc(size + 1);
	if (!list)
		abort();
	if (at == 0)
		memcpy(list, data, size);
	enum tn_status status = TN_OK;
	bool whole = (at == 0 || read_at(checking, list, size, at)) && size >= 8;
	if (whole)
		memcpy(&count, list, 8);
	if (!whole || count != size / 8 - 1 || size % 8 != 0 || txn_id > checking->meta.txn_id)
		status = damaged(
		        checking, "free pages", checking->meta.free.root, "a list of free pages cannot be read");
	for (uint64_t i = 0; status == TN_OK && i < count; i++, before = page) {
		memcpy(&page, list + 8 * (i + 1), 8);
		if (page >= before)
			status = damaged(checking, "free pages", checking->meta.free.root,
			        "a list of free pages is out of order");
		else
			status = use_page(checking, "free pages", checking->meta.free.root, page);
	}
	free(list);
	return status;
}

/* --- The file --- */

static enum tn_status check_trees(struct checking *checking)
{
	enum { INTEGER_KEYS = 0x08, PERSISTENT = 0x7ffe };
	const struct meta *meta = &checking->meta;
	uint64_t holder = meta->txn_id & 1;
	/* The free list last: what is in use is known by then. Its own pages are not free either. */
	struct walk main = {.name = "main", .leaf = check_named},
	            list = {.name = "free pages", .by_number = true, .leaf = check_free};
	if (meta->main.flags != 0 || (meta->free.flags & PERSISTENT) != INTEGER_KEYS)
		return damaged(checking, "meta", holder, "its trees are marked as of a kind that they are not");
	enum tn_status status = check_tree(checking, &main, &meta->main, holder);
	return status == TN_OK ? check_tree(checking, &list, &meta->free, holder) : status;
}

static bool read_meta(const struct checking *checking, unsigned slot, struct page_head *out_head, struct meta *out_meta)
{
	uint64_t at = slot * (uint64_t)checking->page_bytes;
	return read_at(checking, out_head, sizeof *out_head, at) &&
	       read_at(checking, out_meta, sizeof *out_meta, at + PAGE_HEAD) && out_meta->magic == meta_magic &&
	       out_meta->version == meta_version && (out_head->flags & PAGE_META) != 0;
}

/* Transactions take turns between the two; the later one counts. One that was damaged could make the earlier look
 * later. */
static enum tn_status choose_meta(struct checking *checking, const struct meta metas[2])
{
	uint64_t first = metas[0].txn_id, second = metas[1].txn_id;
	bool fresh = first == 0 && second == 0,
	     in_turn = first % 2 == 0 && second % 2 == 1 && (first + 1 == second || second + 1 == first);
	if (!fresh && !in_turn)
		return damaged(checking, "meta", 0, "the two meta pages do not follow each other");
	checking->meta = metas[first < second];
	if (checking->meta.last_page < 1 || checking->meta.last_page > (uint64_t)INT64_MAX / checking->page_bytes - 1)
		return damaged(checking, "meta", first < second, "its last page is none that a file has");
	return TN_OK;
}

static enum tn_status check_file(struct checking *checking, uint64_t file_bytes)
{
	struct page_head head;
	struct meta metas[2];
	checking->page_bytes = SMALLEST_PAGE; /* for the first, which says how large they are */
	if (!read_meta(checking, 0, &head, &metas[0]))
		return TN_OK; /* LMDB says that this is no file of its own, or of another version */
	checking->page_bytes = metas[0].free.pad;
	if (checking->page_bytes < SMALLEST_PAGE || checking->page_bytes > LARGEST_PAGE ||
	        (checking->page_bytes & (checking->page_bytes - 1)) != 0)
		return damaged(checking, "meta", 0, "its size of pages is none");
	if (!read_meta(checking, 1, &head, &metas[1]) || metas[1].free.pad != metas[0].free.pad)
		return damaged(checking, "meta", 1, "it is not the meta page that was expected there");
	checking->file_pages = file_bytes / checking->page_bytes;
	enum tn_status status = choose_meta(checking, metas);
	if (status != TN_OK)
		return status;
	/* Pages at the end that were given back before they were ever written are not in the file. A number far beyond
	 * is damage. */
	if (checking->meta.last_page / 2 > checking->file_pages + 1024)
		return damaged(
		        checking, "meta", checking->meta.txn_id & 1, "the file is much shorter than it should be");
	checking->used = calloc(checking->meta.last_page / 8 + 1, 1);
	if (!checking->used)
		abort();
	return check_trees(checking);
}

enum tn_status tn_file_check(const char *path, struct tn_error *error)
{
	char name[4096];
	struct stat info;
	struct checking checking = {.path = path, .error = error};
	if ((size_t)snprintf(name, sizeof name, "%s/data.mdb", path) >= sizeof name) {
		tn_error_set(error, "the store's path is too long");
		return TN_INVALID;
	}
	checking.fd = open(name, O_RDONLY | O_CLOEXEC);
	if (checking.fd < 0)
		return TN_OK; /* not there, or LMDB says why */
	enum tn_status status = TN_OK;
	if (fstat(checking.fd, &info) == 0 && info.st_size > 0)
		status = check_file(&checking, (uint64_t)info.st_size);
	for (unsigned i = 0; i < DEEPEST; i++)
		free(checking.levels[i]);
	free(checking.used);
	close(checking.fd);
	return status;
}
