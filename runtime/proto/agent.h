/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - the link between host (CLI, monitor) and guest init, over vsock: frames and messages.
 *
 * A connection carries frames: le32 payload length, le16 type, le16 stream, then the payload.
 *
 * The boot connection: guest init connects to AGENT_HOST_PORT on the host (CID 2) and sends HELLO.
 * The CLI answers with CREATE; init builds the container up to the point before execve and answers
 * CREATED or ERROR. The connection is then the *session* of the container's first process and the
 * monitor takes it over; it lives as long as the process. The end of it without EXIT means that the
 * VM died; the end of it seen by the guest means that the monitor died: init kills the process.
 *
 * Further connections are made by the host to AGENT_GUEST_PORT, through the VMM (vmm-ctl.h):
 *   CREATE      -> CREATED or ERROR, of a further container; the connection is then the session of
 * its first process, and its end is that container's, not the VM's
 *   EXEC        -> STARTED or ERROR; the connection is then the session of that process
 *   START, KILL, LIMIT, NET, NET_GONE, GROW -> OK or ERROR; PS -> PROCESSES; LOOK -> FILES; WATCH
 * -> OK, and then OOM whenever the OOM killer struck; the connection may carry further requests
 *   FORWARD     -> no frame: bytes to and from a server in the container, or the connection's end
 *
 * In a session, DATA and END of stream 0 go to the guest, of 1 and 2 (1 only with a terminal) to
 * the host. A sender may have AGENT_WINDOW bytes of a stream under way; CREDIT gives back what was
 * consumed. So no stream can block another, a signal, or the exit record. EXIT comes last, after
 * the END of streams 1 and 2 (or without them when other processes keep the pipes open: see
 * rootfs/).
 */
#ifndef NESTBOX_AGENT_H
#define NESTBOX_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cleanup.h"
#include "err.h"
#include "guest-plan.h"
#include "wire.h"

#define AGENT_VERSION 11
#define AGENT_HOST_PORT 1024 /* guest connects here, once after boot */
#define AGENT_GUEST_PORT 1024 /* guest listens here */

/* Guest init reads a byte from this port when it has done all that can be done before it knows what
 * it is for: here a VM is saved as a template, and here its clones go on. */
#define AGENT_READY_PORT 0x0e57u
#define AGENT_READY_CLONE 1u /* what a clone reads; 0xff, as of an empty bus, in any other VM */
#define AGENT_READY_WARM 2u /* the VM is to be saved: warm up, then read again */

#define AGENT_HEADER 8
#define AGENT_MAX_PAYLOAD ((size_t)8 << 20) /* CREATE and EXEC: a plan */
#define AGENT_MAX_DATA ((size_t)32 << 10) /* DATA */
#define AGENT_MAX_REPLY ((size_t)64 << 10) /* any other message */
#define AGENT_WINDOW ((uint32_t)256 << 10) /* bytes under way per stream */
#define AGENT_MAX_STR 4096
/* What a monitor exits with when no EXIT came: as of a process that was killed, as the VM was. */
#define AGENT_STATUS_DIED (128 + 9)
#define AGENT_SEND_MS 10000ULL /* a peer that has not taken a message by then is given up */

enum agent_type {
	AGENT_HELLO =
		1, /* guest: u32 version, str kernel release, u64 boottime_ns, u8 is a clone */
	AGENT_CREATE, /* host: guest plan (guest-plan.h), the container's */
	AGENT_CREATED, /* guest: u32 pid in the guest, marks */
	AGENT_START, /* host: str container id */
	AGENT_KILL, /* host: str container id, u32 signal, u8 all processes */
	AGENT_EXEC, /* host: str container id, process plan */
	AGENT_STARTED, /* guest: u32 pid in the guest */
	AGENT_PS, /* host: str container id, u32 pid: processes with higher pids than that */
	AGENT_PROCESSES, /* guest: u32 count, processes (struct agent_process) by ascending pid */
	AGENT_OK, /* guest: empty; to START: marks */
	AGENT_ERROR, /* guest: u32 errno (positive), str message */
	AGENT_DATA, /* both: bytes of the stream */
	AGENT_END, /* both: end of the stream */
	AGENT_CREDIT, /* both: u32 bytes of the stream that were consumed */
	AGENT_WINSIZE, /* host: u16 rows, cols, xpixel, ypixel */
	AGENT_SIGNAL, /* host: u32 signal for the session's process */
	AGENT_LIMIT, /* host: str container id, files of its cgroup to be written */
	AGENT_LOOK, /* host: str container id, u32 count, str name…: files of its cgroup to be read
		     */
	AGENT_FILES, /* guest: files; those that are not there are left out */
	AGENT_WATCH, /* host: str container id */
	AGENT_OOM, /* guest: empty */
	AGENT_NET, /* host: str container id, an interface (net-config.h): made, or changed to that
		    */
	AGENT_RESOLVE, /* host: str container id; after OK the connection carries the next two */
	AGENT_QUERY, /* guest: u32 id, u8 by TCP, a DNS message that was sent to 127.0.0.11:53 */
	AGENT_ANSWER, /* host: the query's u32 id, the answer; nothing = there is none */
	AGENT_NET_GONE, /* host: str container id, u32 slot: the device is let go */
	AGENT_EXIT, /* guest: u32 code, u32 signal (0 = exited), u8 by the OOM killer */
	AGENT_FORWARD, /* host: str container id, u16 port of its localhost, TCP */
	AGENT_GROW, /* host: u64 bytes of memory at boot, u64 now (ram-layout.h) */
	AGENT_TYPE_MAX
};

enum agent_stream { AGENT_STDIN, AGENT_STDOUT, AGENT_STDERR, AGENT_STREAM_MAX };

struct agent_frame {
	uint32_t len; /* of the payload, checked against the type's maximum */
	uint16_t type; /* enum agent_type, checked */
	uint16_t stream; /* < AGENT_STREAM_MAX, checked */
};

struct agent_hello {
	uint32_t version;
	char release[128]; /* printable ASCII */
	uint64_t boottime_ns;
	uint8_t clone; /* of a template */
};

struct agent_exit {
	uint32_t code; /* 0…255 */
	uint32_t signal; /* 0 = exited by itself, else 1…64 */
	uint8_t oom; /* whether the OOM killer struck in the container, whomever */
};

struct agent_winsize {
	uint16_t rows, cols, xpixel, ypixel;
};

/* Of questions to 127.0.0.11:53: under way at a time, bytes of one, of its answer. */
#define AGENT_MAX_QUERIES 32
#define AGENT_MAX_QUERY ((size_t)2048)
#define AGENT_MAX_DNS (AGENT_MAX_REPLY - 16)

#define AGENT_MAX_FILES 256

struct agent_process {
	uint32_t pid; /* in the guest */
	uint32_t inner_pid, inner_parent; /* as the container sees them; 0 = none that it sees */
	uint32_t uid;
	uint64_t cpu_ms;
	const char *command;
};

#define AGENT_MAX_MARKS 64
#define AGENT_MARK_NAME 64

/* A step of the guest's way to here, and when it was done by the guest's CLOCK_MONOTONIC, whose
 * zero is the kernel's start. */
struct agent_mark {
	const char *name;
	uint64_t ns;
};

/* Fills the 8 header bytes. */
void agent_put_header(uint8_t out[AGENT_HEADER], uint16_t type, uint16_t stream, uint32_t len);

/* Reads and checks a header: -EBADMSG for an unknown type or stream, -EMSGSIZE for a length past
 * the type's maximum. */
warn_unused int agent_get_header(const uint8_t in[AGENT_HEADER], struct agent_frame *ret);

/* Payload codecs. The readers refuse trailing bytes and values out of range with -EBADMSG. */
void agent_put_hello(struct wire_out *w, const struct agent_hello *m);
warn_unused int agent_get_hello(const void *p, size_t len, struct agent_hello *ret);
void agent_put_exit(struct wire_out *w, const struct agent_exit *m);
warn_unused int agent_get_exit(const void *p, size_t len, struct agent_exit *ret);
void agent_put_winsize(struct wire_out *w, const struct agent_winsize *m);
warn_unused int agent_get_winsize(const void *p, size_t len, struct agent_winsize *ret);
void agent_put_error(struct wire_out *w, const struct err *e);
/* Fills *ret with the sanitised text and the code. Returns 0, or -EBADMSG. */
warn_unused int agent_get_error(const void *p, size_t len, struct err *ret);

/* Files of a cgroup, names and contents: u32 count, (str, str)… */
void agent_put_files(struct wire_out *w, const struct gplan_pair *v, size_t n);
/* Text of the arena, sanitised but for line ends and tabs. -EBADMSG, -ENOMEM. */
warn_unused int agent_get_files(
	struct wire_in *r, struct arena *a, struct gplan_pair **ret, size_t *ret_n);
void agent_put_process(struct wire_out *w, const struct agent_process *m);
/* The list of PROCESSES; commands are sanitised. */
warn_unused int agent_get_processes(
	const void *p, size_t len, struct arena *a, struct agent_process **ret, size_t *ret_n);

/* Marks: u64 the guest's time now, u32 count, (str name, u64 ns)… */
void agent_put_marks(struct wire_out *w, uint64_t now_ns, const struct agent_mark *v, size_t n);
/* Text of the arena, sanitised. -EBADMSG, -ENOMEM. */
warn_unused int agent_get_marks(struct wire_in *r, struct arena *a, uint64_t *ret_now,
	struct agent_mark **ret, size_t *ret_n);

/* Blocking helpers: one frame whole, over a socket. -ETIMEDOUT after AGENT_SEND_MS. */
warn_unused int agent_send(int fd, uint16_t type, uint16_t stream, const void *p, size_t len);

/* Receives one frame within timeout_ms; the payload is malloc'ed (owned by the caller), with a NUL
 * after it. At most AGENT_MAX_REPLY bytes. -ETIMEDOUT; -ECONNRESET at end of file; -EBADMSG,
 * -EMSGSIZE as above. */
warn_unused int agent_recv(int fd, int timeout_ms, struct agent_frame *ret_frame, uint8_t **ret_p);

/* Sends one message and receives the answer, which must be of the wanted type; an ERROR of the
 * guest becomes *e. ret_payload may be NULL; else it is malloc'ed. */
warn_unused int agent_call(int fd, uint16_t type, const void *payload, size_t len, uint16_t wanted,
	int timeout_ms, uint8_t **ret_payload, size_t *ret_len, struct err *e);

#endif
