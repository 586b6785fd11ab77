/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode.c - what the guest knows of: files and folders by number; see inode.h.
 *
 * Owner:   the table owns inodes, their names and their fds. An inode lives while the guest counts
 *          lookups of it or other inodes have it as their parent.
 * Trust:   numbers and counts are the guest's. Files are told apart by (mount, inode number), so
 * one that is shared twice, read-only and writable, is two inodes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "inode.h"
#include "sockets.h"

#define CHUNK 1024u /* inodes allocated together */
#define MAX_CHUNKS 4096u /* 4 Mi inodes */
#define FIRST_HEADS 1024u
#define ROOT_SLOT FUSE_ROOT_ID
#define VALID_SECONDS 1 /* the guest may trust names and attributes for that long */
#define MAX_DEVICES 256u
#define MAX_DEPTH 8192u
#define INO_BITS 48 /* below: the file system's own number; above: which device */

struct inode {
	uint64_t mount, ino; /* key */
	uint64_t lookups;
	char *name; /* owned; in parent; NULL = root, or it has none */
	uint32_t slot, generation;
	uint32_t parent; /* slot; 0 = none */
	uint32_t children; /* inodes whose parent this is */
	uint32_t hash_next; /* slot; free list's next */
	uint32_t newer, older; /* slots, in order of use, when fd is open and not pinned */
	int fd; /* owned; O_PATH */
	mode_t type; /* S_IFMT bits */
	bool used, pinned;
	bool listens; /* a socket that the host's programs can connect to */
};

static struct {
	struct inode *chunk[MAX_CHUNKS]; /* owned */
	uint32_t n_slots; /* slots ever used */
	uint32_t free_slot;
	uint32_t *heads; /* owned; hash table of slots */
	uint32_t n_heads, count;
	uint32_t newest, oldest;
	unsigned open_fds, max_fds;
	uint64_t devices[MAX_DEVICES];
	unsigned n_devices;
} table;

static uint64_t number_of(const struct inode *i)
{
	return (uint64_t)i->generation << 32 | i->slot;
}

static struct inode *at_slot(uint32_t slot)
{
	return &table.chunk[slot / CHUNK][slot % CHUNK];
}

/* ---- hash table ---------------------------------------------------------------------------- */

static uint32_t *head_of(uint64_t mount, uint64_t ino)
{
	uint64_t mixed = (ino ^ mount << 32) * 0x9e3779b97f4a7c15ull;

	return &table.heads[(mixed >> 32) & (table.n_heads - 1)];
}

static struct inode *find(uint64_t mount, uint64_t ino)
{
	for (uint32_t s = *head_of(mount, ino); s; s = at_slot(s)->hash_next) {
		struct inode *i = at_slot(s);

		if (i->mount == mount && i->ino == ino)
			return i;
	}
	return NULL;
}

static void insert(struct inode *i)
{
	uint32_t *head = head_of(i->mount, i->ino);

	i->hash_next = *head;
	*head = i->slot;
}

static void unhash(struct inode *i)
{
	uint32_t *at = head_of(i->mount, i->ino);

	while (*at != i->slot)
		at = &at_slot(*at)->hash_next;
	*at = i->hash_next;
}

static int grow_heads(void)
{
	uint32_t wanted = table.n_heads ? table.n_heads * 2 : FIRST_HEADS;
	uint32_t *heads = calloc(wanted, sizeof(*heads));

	if (!heads)
		return -ENOMEM;
	free(table.heads);
	table.heads = heads;
	table.n_heads = wanted;
	for (uint32_t s = 1; s < table.n_slots; s++) {
		if (at_slot(s)->used)
			insert(at_slot(s));
	}
	return 0;
}

/* ---- order of use -------------------------------------------------------------------------- */

static void list_remove(struct inode *i)
{
	if (i->newer)
		at_slot(i->newer)->older = i->older;
	else if (table.newest == i->slot)
		table.newest = i->older;
	if (i->older)
		at_slot(i->older)->newer = i->newer;
	else if (table.oldest == i->slot)
		table.oldest = i->newer;
	i->newer = i->older = 0;
}

static void list_add(struct inode *i)
{
	i->older = table.newest;
	i->newer = 0;
	if (table.newest)
		at_slot(table.newest)->newer = i->slot;
	table.newest = i->slot;
	if (!table.oldest)
		table.oldest = i->slot;
}

static void set_fd(struct inode *i, int fd)
{
	i->fd = fd;
	table.open_fds++;
	if (!i->pinned)
		list_add(i);
}

static void drop_fd(struct inode *i)
{
	if (i->fd < 0)
		return;
	list_remove(i);
	close_fd(&i->fd);
	table.open_fds--;
}

static void touch(struct inode *i)
{
	if (i->fd >= 0 && !i->pinned && table.newest != i->slot) {
		list_remove(i);
		list_add(i);
	}
}

void inode_release(struct inode *held)
{
	if (!held)
		return;
	held->pinned = false;
	list_add(held);
}

void inode_trim(void)
{
	while (table.open_fds > table.max_fds && table.oldest)
		drop_fd(at_slot(table.oldest));
}

/* ---- files --------------------------------------------------------------------------------- */

const char *inode_path(int fd, char buf[16])
{
	(void)snprintf(buf, 16, "%d", fd);
	return buf;
}

int inode_reopen(int fd, int flags)
{
	char path[16];
	int opened = open(inode_path(fd, path), flags | O_CLOEXEC | O_NOCTTY);

	return opened < 0 ? -errno : opened;
}

int inode_stat(int fd, struct statx *ret)
{
	return syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		       STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0
		? -errno
		: 0;
}

/* One component beneath a folder, itself and never what it links to. */
static int open_name(int folder, const char *name)
{
	const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, folder, name, &how, sizeof(how));

	/* A rename elsewhere in the tree makes the kernel unsure about "beneath". */
	for (int tries = 0; fd < 0 && errno == EAGAIN && tries < 16; tries++)
		fd = syscall(SYS_openat2, folder, name, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

uint64_t inode_number(uint32_t dev_major, uint32_t dev_minor, uint64_t ino)
{
	uint64_t device = (uint64_t)dev_major << 32 | dev_minor;
	unsigned k = 0;

	while (k < table.n_devices && table.devices[k] != device)
		k++;
	if (k == table.n_devices && k < MAX_DEVICES)
		table.devices[table.n_devices++] = device;
	return ino >> INO_BITS ? ino : (uint64_t)(k % MAX_DEVICES) << INO_BITS | ino;
}

void inode_attr(const struct statx *st, struct fuse_attr *ret)
{
	*ret = (struct fuse_attr){
		.ino = inode_number(st->stx_dev_major, st->stx_dev_minor, st->stx_ino),
		.size = st->stx_size,
		.blocks = st->stx_blocks,
		.atime = (uint64_t)st->stx_atime.tv_sec,
		.mtime = (uint64_t)st->stx_mtime.tv_sec,
		.ctime = (uint64_t)st->stx_ctime.tv_sec,
		.atimensec = st->stx_atime.tv_nsec,
		.mtimensec = st->stx_mtime.tv_nsec,
		.ctimensec = st->stx_ctime.tv_nsec,
		.mode = st->stx_mode,
		.nlink = st->stx_nlink,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
		.rdev = (uint32_t)makedev(st->stx_rdev_major, st->stx_rdev_minor),
		.blksize = st->stx_blksize,
	};
}

/* ---- slots --------------------------------------------------------------------------------- */

static struct inode *new_slot(void)
{
	uint32_t slot = table.free_slot;
	struct inode *i = NULL;

	if (slot) {
		i = at_slot(slot);
		table.free_slot = i->hash_next;
	} else {
		slot = table.n_slots;
		if (slot / CHUNK >= MAX_CHUNKS)
			return NULL;
		if (!table.chunk[slot / CHUNK])
			table.chunk[slot / CHUNK] = calloc(CHUNK, sizeof(*i));
		if (!table.chunk[slot / CHUNK])
			return NULL;
		table.n_slots++;
		i = at_slot(slot);
	}
	*i = (struct inode){ .slot = slot, .generation = i->generation + 1, .fd = -EBADF };
	return i;
}

/* Frees an inode that nothing needs any more, and then its parent if it was the last child. */
static void release_unused(struct inode *i)
{
	while (i->slot != ROOT_SLOT && !i->lookups && !i->children) {
		struct inode *parent = i->parent ? at_slot(i->parent) : NULL;

		if (i->listens)
			sockets_forget(number_of(i));
		drop_fd(i);
		unhash(i);
		free(i->name);
		i->name = NULL;
		i->used = false;
		i->hash_next = table.free_slot;
		table.free_slot = i->slot;
		table.count--;
		if (!parent)
			return;
		parent->children--;
		i = parent;
	}
}

static int set_place(struct inode *i, struct inode *parent, const char *name)
{
	char *copy = name ? strdup(name) : NULL;
	struct inode *before = i->parent ? at_slot(i->parent) : NULL;

	if (name && !copy)
		return -ENOMEM;
	free(i->name);
	i->name = copy;
	if (parent)
		parent->children++;
	i->parent = parent ? parent->slot : 0;
	if (before) {
		before->children--;
		release_unused(before);
	}
	return 0;
}

/* The inode of an open O_PATH fd (owned from here on), with one lookup more. */
static int enter_fd(int fd, struct inode *parent, const char *name, struct fuse_entry_out *ret)
{
	cleanup(close) int owned = fd;
	struct inode *i = NULL;
	struct statx st;
	int r = inode_stat(fd, &st);

	if (r < 0)
		return r;
	i = find(st.stx_mnt_id, st.stx_ino);
	if (!i) {
		if (table.count >= table.n_heads && grow_heads() < 0)
			return -ENOMEM;
		i = new_slot();
		if (!i)
			return -ENOMEM;
		i->mount = st.stx_mnt_id;
		i->ino = st.stx_ino;
		i->type = st.stx_mode & S_IFMT;
		i->used = true;
		i->pinned = !name;
		insert(i);
		table.count++;
	}
	i->lookups++;
	/* The host may have moved it since it was closed; one that had lost its name has another.
	 * Here it is now. */
	if (name && i->slot != ROOT_SLOT && (i->fd < 0 || i->pinned)) {
		if (set_place(i, parent, name) < 0) {
			i->lookups--;
			release_unused(i);
			return -ENOMEM;
		}
		if (i->pinned)
			inode_release(i);
	}
	if (i->fd < 0) {
		/* While it was closed the host may have given its number to another file. */
		i->type = st.stx_mode & S_IFMT;
		set_fd(i, take_fd(&owned));
	}
	touch(i);
	*ret = (struct fuse_entry_out){ .nodeid = number_of(i),
		.generation = i->generation,
		.entry_valid = VALID_SECONDS,
		.attr_valid = VALID_SECONDS };
	inode_attr(&st, &ret->attr);
	return 0;
}

/* ---- public -------------------------------------------------------------------------------- */

int inode_init(int root_fd, unsigned max_fds)
{
	struct inode *root = NULL;

	table.n_slots = ROOT_SLOT; /* slot 0 stands for none */
	table.max_fds = max_fds;
	if (grow_heads() < 0) {
		close_fd(&root_fd);
		return -ENOMEM;
	}
	root = new_slot();
	if (!root) {
		close_fd(&root_fd);
		return -ENOMEM;
	}
	root->generation = 0; /* FUSE_ROOT_ID is 1 */
	root->used = root->pinned = true;
	root->type = S_IFDIR;
	set_fd(root, root_fd);
	insert(root);
	table.count++;
	return 0;
}

void inode_done(void)
{
	for (uint32_t s = 1; s < table.n_slots; s++) {
		close_fd(&at_slot(s)->fd);
		free(at_slot(s)->name);
	}
	for (unsigned c = 0; c < MAX_CHUNKS; c++)
		free(table.chunk[c]);
	free(table.heads);
	memset(&table, 0, sizeof(table));
}

int inode_get(uint64_t nodeid, struct inode **ret)
{
	uint32_t slot = (uint32_t)nodeid;

	if (slot == 0 || slot >= table.n_slots || !at_slot(slot)->used ||
		at_slot(slot)->generation != (uint32_t)(nodeid >> 32))
		return -ESTALE;
	*ret = at_slot(slot);
	return 0;
}

void inode_listens(struct inode *i)
{
	i->listens = true;
}

mode_t inode_type(const struct inode *i)
{
	return i->type;
}

/* Opens an inode whose parent is open. */
static int open_again(struct inode *i)
{
	cleanup(close) int fd = open_name(at_slot(i->parent)->fd, i->name);
	struct statx st;
	int r = 0;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	r = inode_stat(fd, &st);
	if (r < 0)
		return r;
	if (st.stx_mnt_id != i->mount || st.stx_ino != i->ino || (st.stx_mode & S_IFMT) != i->type)
		return -ESTALE;
	set_fd(i, take_fd(&fd));
	return 0;
}

int inode_fd(struct inode *i)
{
	touch(i);
	while (i->fd < 0) {
		struct inode *at = i;
		unsigned depth = 0;
		int r = 0;

		/* Moves by the host's hand can make what we remember go in a circle. */
		while (at->parent && at_slot(at->parent)->fd < 0 && depth++ < MAX_DEPTH)
			at = at_slot(at->parent);
		if (!at->parent || !at->name || depth >= MAX_DEPTH)
			return -ESTALE;
		r = open_again(at);
		if (r < 0)
			return r;
	}
	return i->fd;
}

int inode_enter(struct inode *folder, const char *name, struct fuse_entry_out *ret)
{
	int at = inode_fd(folder);
	int fd = at < 0 ? at : open_name(at, name);

	return fd < 0 ? fd : enter_fd(fd, folder, name, ret);
}

int inode_enter_unnamed(int fd, struct fuse_entry_out *ret)
{
	return enter_fd(fd, NULL, NULL, ret);
}

void inode_forget(uint64_t nodeid, uint64_t n)
{
	struct inode *i = NULL;

	if (inode_get(nodeid, &i) < 0 || i->slot == ROOT_SLOT)
		return;
	i->lookups -= n < i->lookups ? n : i->lookups;
	release_unused(i);
}

static struct inode *find_name(struct inode *folder, const char *name, uint32_t *ret_links)
{
	cleanup(close) int fd = -EBADF;
	struct statx st;
	int at = inode_fd(folder);

	if (at >= 0)
		fd = open_name(at, name);
	if (fd < 0 || inode_stat(fd, &st) < 0)
		return NULL;
	*ret_links = st.stx_nlink;
	return find(st.stx_mnt_id, st.stx_ino);
}

struct inode *inode_hold(struct inode *folder, const char *name)
{
	uint32_t links = 0;
	struct inode *i = find_name(folder, name, &links);
	bool by_this_name = false;

	if (!i || i->pinned)
		return NULL;
	/* A file that we know by another of its names can be found by that. */
	by_this_name = i->parent == folder->slot && i->name && strcmp(i->name, name) == 0;
	if (!by_this_name && links > 1 && !S_ISDIR(i->type))
		return NULL;
	if (inode_fd(i) < 0)
		return NULL;
	list_remove(i);
	i->pinned = true;
	return i;
}

void inode_moved(struct inode *folder, const char *name)
{
	uint32_t links = 0;
	struct inode *i = find_name(folder, name, &links);

	if (!i || i->slot == ROOT_SLOT || set_place(i, folder, name) < 0)
		return;
	/* It has a name again (O_TMPFILE), or still: its fd may be closed and found again. */
	if (i->pinned)
		inode_release(i);
}

unsigned inode_count(void)
{
	return table.count;
}

unsigned inode_open_fds(void)
{
	return table.open_fds;
}
