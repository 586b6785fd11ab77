/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets.h - unix sockets on the shares: the host's, that the guest's programs connect to, and
 * the guest's, that the host's programs connect to (socket-link.h).
 *
 * Connections are only made and accepted here; their bytes are the VMM's business. Nothing waits.
 */
#ifndef NESTBOX_SOCKETS_H
#define NESTBOX_SOCKETS_H

#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"

/* link_fd (owned from here on): to the VMM, not blocking. */
void sockets_init(int link_fd);

/* Closes everything; for tests. */
void sockets_done(void);

/* A share that is a socket: fd (owned from here on, also on error) is an O_PATH fd of it. Only
 * these can be connected to. */
warn_unused int sockets_add_share(const char *name, int fd);

/* Makes the socket `name` in the folder and listens there for uid and gid, whom clients will see.
 * Returns the listening fd (owned by the caller) or a negative errno; -EOPNOTSUPP when it must be
 * made without a listener, as names are too long or listeners too many. */
warn_unused int sockets_make(int folder, const char *name, mode_t mode, uid_t uid, gid_t gid);

/* Clients that come to the fd (owned from here on) are the node's. */
void sockets_serve(int fd, uint64_t node, uint32_t generation);

/* The guest has forgotten the node: nobody listens any more. */
void sockets_forget(uint64_t node);

/* Waits until the link for files has something, and serves sockets meanwhile. Returns at once when
 * there are no sockets, as the caller will wait anyway. */
void sockets_wait(int files_fd);

#endif
