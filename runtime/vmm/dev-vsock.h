/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-vsock.h - what the parts of the vsock device share: the table of connections.
 *
 * dev-vsock.c moves packets; dev-vsock-conn.c holds the table and what is on its way from the guest
 * to the host's socket; dev-vsock-sockets.c asks the fs server for the sockets that were bound into
 * the container. All on the I/O loop's thread.
 */
#ifndef NESTBOX_DEV_VSOCK_H
#define NESTBOX_DEV_VSOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "socket-link.h"
#include "virtq.h"
#include "vmm-plan.h"

/* Whose places a connection takes: of a container's own (the number of its link: bound sockets,
 * both directions), of the host's (exec, kill, the boot connection), or of those that have not
 * shown a key yet. */
#define VSOCK_LINKS (1 + VMM_MAX_FS)
#define VSOCK_HOST (-1)
#define VSOCK_UNNAMED (-2)

#define VSOCK_MAX_HOST 128
#define VSOCK_MAX_UNNAMED 32 /* one more takes the place of the oldest */
#define VSOCK_MAX_CONNS (VSOCK_MAX_HOST + VSOCK_MAX_UNNAMED + VSOCK_LINKS * (int)SOCKET_MAX_CONNS)
#define VSOCK_NAME_SECONDS 5 /* to show a key: after one to two times that long it is too late */
#define VSOCK_RX_WINDOW ((uint32_t)128 << 10)

/* What is still to be told to the guest, sent when it has a receive buffer. */
#define TELL_REQUEST 1u
#define TELL_RESPONSE 2u
#define TELL_CREDIT 4u
#define TELL_SHUTDOWN 8u
#define TELL_RST 16u
#define TELL_HEAD 32u /* a struct socket_head, before any data */

/* A connection to one of the host's sockets, before there is an fd. */
enum conn_naming {
	CONN_NAMED, /* or it never needed a name */
	CONN_HEAD, /* the guest's struct socket_head is awaited */
	CONN_ASKED, /* the fs server connects */
};

struct conn {
	bool used;
	bool open; /* both sides agreed */
	bool host_eof; /* our socket gave end of file */
	bool guest_done; /* the guest sends no more: close for writing when drained */
	bool closing; /* the guest wants neither direction any more: over when drained */
	bool gone; /* and has forgotten it: its ports may be in use again */
	enum conn_naming naming;
	int whose; /* VSOCK_HOST, VSOCK_UNNAMED, or a link's number */
	bool ticked; /* VSOCK_UNNAMED: the clock has seen it once */
	uint64_t born; /* the higher the later */
	uint32_t generation; /* of the table's entry */
	unsigned tell;
	int fd; /* owned */
	int src; /* -1 = not watched */
	uint32_t host_port, guest_port;
	uint32_t guest_buf, guest_fwd; /* the guest's credit, as it said last */
	uint32_t sent; /* bytes sent to the guest */
	uint32_t forwarded, told; /* bytes taken from the guest; what we told it of that */
	uint32_t held_start, held_len; /* of the ring of bytes that the socket did not take yet */
	uint8_t head[SOCKET_HEAD]; /* for TELL_HEAD */
};

/* ---- dev-vsock-conn.c ---- */

/* Forgets all connections without closing them; for the device's init. */
void conn_init(struct loop *loop);

/* Entry i of the table. */
struct conn *conn_at(unsigned i);

/* How many entries, from 0, may be in use. */
unsigned conn_count(void);

/* A new connection; fd (owned from here on when it succeeds) or -EBADF; it takes one of those
 * places. NULL when there is none left. */
struct conn *conn_new(int fd, uint32_t host_port, uint32_t guest_port, int whose);

/* The oldest connection of VSOCK_UNNAMED when these are all in use, else NULL. */
struct conn *conn_crowded(void);

struct conn *conn_find(uint32_t host_port, uint32_t guest_port);

void conn_free(struct conn *c);

/* The connection is over on our side: the guest is told, then it is forgotten. */
void conn_abort(struct conn *c);

/* Takes len bytes (there must be room for them) from the guest's packet, at offset. */
void conn_hold(struct conn *c, const struct vq_chain *t, size_t offset, uint32_t len);

/* Writes what is held, as far as the socket takes it; a closing connection is over after that. */
void conn_drain(struct conn *c);

/* A number for the entry that no other connection will have, and back: NULL when it is over. */
uint64_t conn_cookie(const struct conn *c);
struct conn *conn_of_cookie(uint64_t cookie);

/* ---- dev-vsock-sockets.c ---- */

/* Watches the link to the fs server (owned from here on; -1 = there is none) of the VM's first
 * container, whose key that is. */
void vsock_sockets_init(struct loop *loop, int link_fd, const struct socket_key *key);

/* Whether who sent this is guest init, on behalf of the container that it names. */
warn_unused bool vsock_sockets_know(const struct socket_head *h);

/* Asks for a connection; vsock_named() follows. A negative errno when that cannot be. */
warn_unused int vsock_sockets_ask(uint64_t cookie, const struct socket_head *h);

/* ---- dev-vsock.c, for the above ---- */

/* The answer of that link's fs server: fd (owned from here on), or -EBADF when there is no server.
 */
void vsock_named(int link, uint64_t cookie, int fd);

/* That fs server is gone: what was asked of it is not answered any more. What it connected goes
 * on, as bytes may be under way, until another container comes. */
void vsock_link_gone(int link);
void vsock_link_new(int link);

/* Time passes, VSOCK_NAME_SECONDS at a time: who has not shown a key by then goes. True when
 * others are left, for the next time. */
bool vsock_tick(void);

/* A client of the host that came to a socket which the guest bound: fd is owned from here on. */
void vsock_accepted(const struct socket_head *h, int fd);

#endif
