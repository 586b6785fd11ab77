/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket-link.h - unix sockets across the VM's boundary: who connects to what, on three links.
 *
 * A socket of the host that was bound as a single file is a share ("m3") like any other. In the
 * guest, init listens in its place; for each client it opens a vsock connection to
 * SOCKET_HOST_PORT, says by a struct socket_head which share is meant, and carries bytes from then
 * on. The VMM asks the fs server (struct socket_message, SOCKET_CONNECT), which connects and hands
 * the fd back (SOCKET_CONNECTED). The guest can name a share by number and nothing else.
 *
 * The other way round: a program in the guest that binds a socket in a shared folder makes the fs
 * server listen there on the host. A client that comes is handed to the VMM (SOCKET_ACCEPTED),
 * which connects to the guest's SOCKET_GUEST_PORT and says by a struct socket_head which node it
 * came to.
 *
 * VMM and fs server: SOCK_SEQPACKET, apart from the link of fs-link.h, so that neither waits for
 * the other. The fs server answers every SOCKET_CONNECT, in any order.
 */
#ifndef NESTBOX_SOCKET_LINK_H
#define NESTBOX_SOCKET_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "socket-key.h"

#define SOCKET_LINK_MAGIC 0x6e62736bu
#define SOCKET_RESERVED 1024u /* the guest's end has a port below: AF_VSOCK's privileged ones */
#define SOCKET_HOST_PORT 1025 /* guest connects here, once for each client of a bound socket */
#define SOCKET_GUEST_PORT 1025 /* guest listens here for clients that come from the host */
#define SOCKET_MAX_CONNS 64u /* of one sandbox at a time, both directions together */
#define SOCKET_HEAD 40 /* bytes of a struct socket_head on the wire */

/* The first bytes of a connection, from the side that opened it. */
struct socket_head {
	struct socket_key key; /* to the host: of the container; to the guest: none */
	uint64_t number; /* to the host: of the share; to the guest: the FUSE node */
	uint32_t generation; /* of the node; 0 to the host */
	uint32_t uid, gid; /* of the client, as the server shall see it */
	uint32_t fs_slot; /* of the container (guest-plan.h); the VMM sets it, or goes by it */
};

enum socket_kind {
	SOCKET_CONNECT = 1, /* VMM: to which share, for whom */
	SOCKET_CONNECTED, /* fs server: error, or 0 and an fd */
	SOCKET_ACCEPTED, /* fs server: at which node, from whom, and an fd */
};

/* Between two processes of one machine: no wire format of its own. */
struct socket_message {
	uint32_t magic; /* SOCKET_LINK_MAGIC */
	uint32_t kind; /* enum socket_kind */
	uint64_t cookie; /* CONNECT: the VMM's; CONNECTED: the same */
	struct socket_head head;
	int32_t error; /* CONNECTED: 0 or a negative errno */
	uint32_t reserved;
};

void socket_head_put(uint8_t out[SOCKET_HEAD], const struct socket_head *h);
void socket_head_get(const uint8_t in[SOCKET_HEAD], struct socket_head *ret);

/* One message, without waiting; fd (borrowed) goes with it unless it is negative. 0, or a negative
 * errno: -EAGAIN when the other side does not keep up. */
warn_unused int socket_message_send(int link, struct socket_message *m, int fd);

/* One message and the fd that came with it (owned by the caller; -EBADF = none). 1; 0 at the link's
 * end; -EAGAIN; -EBADMSG for what is none. A CONNECTED whose fd could not be received (our own
 * limit of fds) has error -EMFILE. */
warn_unused int socket_message_receive(int link, struct socket_message *ret, int *ret_fd);

#endif
