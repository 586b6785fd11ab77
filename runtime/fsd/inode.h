/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode.h - what the guest knows of: files and folders by number.
 *
 * A node number is generation << 32 | slot, so that a stale one names nothing. Each inode is held
 * by an O_PATH fd; when there are too many the least recently used are closed and opened again by
 * (parent, name) when they are needed. One whose name is gone while the guest still knows it keeps
 * its fd ("pinned").
 */
#ifndef NESTBOX_INODE_H
#define NESTBOX_INODE_H

#include <linux/fuse.h>
#include <linux/stat.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cleanup.h"

struct inode;

/* root_fd: owned from here on. */
warn_unused int inode_init(int root_fd, unsigned max_fds);
void inode_done(void);

/* The inode that the guest's number names; -ESTALE when it is made up. */
warn_unused int inode_get(uint64_t nodeid, struct inode **ret);

/* Its O_PATH fd, opened again if need be: borrowed, valid to the end of the request. -ESTALE when
 * what the name now leads to is another file. */
warn_unused int inode_fd(struct inode *i);

mode_t inode_type(const struct inode *i); /* S_IFMT bits */

/* A socket with a listener: sockets_forget() is called when the guest forgets it. */
void inode_listens(struct inode *i);

/* Opens name (one component, checked by the caller) in the folder, counts one lookup of it and
 * fills the reply's entry. */
warn_unused int inode_enter(struct inode *folder, const char *name, struct fuse_entry_out *ret);

/* As inode_enter for a file that has no name: fd is an O_PATH fd of it (owned from here on). */
warn_unused int inode_enter_unnamed(int fd, struct fuse_entry_out *ret);

/* The guest forgets n lookups. */
void inode_forget(uint64_t nodeid, uint64_t n);

/* Around removing (or renaming over) a name: hold() pins what it names, if the guest knows it and
 * it will not be found by another name; release() undoes that when the removal failed. */
struct inode *inode_hold(struct inode *folder, const char *name);
void inode_release(struct inode *held);

/* What (folder, name) names was renamed or linked to there: so the guest's inode is found there
 * from now on. */
void inode_moved(struct inode *folder, const char *name);

/* Attributes for the guest; an inode number that is unique over the shares' devices. */
void inode_attr(const struct statx *st, struct fuse_attr *ret);
uint64_t inode_number(uint32_t dev_major, uint32_t dev_minor, uint64_t ino);
warn_unused int inode_stat(int fd, struct statx *ret);

/* Closes fds past the limit; at the end of a request. */
void inode_trim(void);

/* For tests: inodes known, fds open. */
unsigned inode_count(void);
unsigned inode_open_fds(void);

/* Opens the file behind an O_PATH fd for real; flags as open(2). */
warn_unused int inode_reopen(int fd, int flags);

/* fd as a file name for calls that take one: the process's working folder is /proc/self/fd. */
const char *inode_path(int fd, char buf[16]);

#endif
