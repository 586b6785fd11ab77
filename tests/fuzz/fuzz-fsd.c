/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-fsd.c - FUSE requests into the fs server over a temporary folder: what lies beside the
 * folder stays as it was.
 *
 * Input: requests one after the other: a byte for the room of the reply, opcode, node (1…: those
 * that earlier replies named, by number), length of the body, body.
 */
#include <assert.h>
#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/resource.h>

#include "fuzz.h"

#include "share-folder.h"

#define MAX_REQUESTS 32
#define MAX_NODES 8
#define OP_TMPFILE 51

static uint64_t nodes[MAX_NODES]; /* that the guest was told of */
static unsigned n_nodes;
static uint64_t folder_fh; /* that it has open */

/* Remembers what a reply that went well names. */
static void learn(uint32_t op, const uint8_t *body, size_t len)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open_out;

	if (op == FUSE_OPENDIR && len >= sizeof(open_out)) {
		memcpy(&open_out, body, sizeof(open_out));
		folder_fh = open_out.fh;
		return;
	}
	if (len < sizeof(entry) || op == FUSE_READDIR || op == FUSE_READDIRPLUS ||
		op == FUSE_READLINK || op == FUSE_GETATTR || op == FUSE_SETATTR)
		return;
	memcpy(&entry, body, sizeof(entry));
	nodes[n_nodes++ % MAX_NODES] = entry.nodeid;
}

/* One request of the input; the reply is checked. */
static void request(struct input *in)
{
	static uint8_t m[sizeof(struct fuse_in_header) + 65536], reply[65536];
	struct fuse_in_header h = { .uid = getuid(), .gid = getgid() };
	struct fuse_out_header out;
	size_t room = input_u8(in) * 256u;
	uint8_t node = 0;
	size_t len = 0, body = 0;
	int fd = -EBADF;

	h.opcode = input_u8(in);
	node = input_u8(in);
	body = input_u16(in) % 1024u;
	h.nodeid = node && node <= MAX_NODES ? nodes[node - 1] : FUSE_ROOT_ID;
	h.len = (uint32_t)(sizeof(h) + body);
	memcpy(m, &h, sizeof(h));
	input_take(in, m + sizeof(h), body);
	/* All ones stand for the open folder, or for a node, where a body begins. */
	if (body >= 8 && *(const uint64_t *)(m + sizeof(h)) == UINT64_MAX)
		memcpy(m + sizeof(h),
			h.opcode == FUSE_LINK || h.opcode == FUSE_RENAME || h.opcode == FUSE_RENAME2
				? &nodes[0]
				: &folder_fh,
			8);
	len = fsd_handle(m, h.len, -1, reply, room, &fd);
	assert(len <= room && (len == 0 || len >= sizeof(out)));
	if (len) {
		memcpy(&out, reply, sizeof(out));
		assert(out.len == len && out.error <= 0 && out.error > -512);
		assert(out.error == 0 || (fd < 0 && len == sizeof(out)));
		if (out.error == 0)
			learn(h.opcode, reply + sizeof(out), len - sizeof(out));
	}
	close_fd(&fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rlimit small = { 1 << 20, 1 << 20 };
	struct input in = { data, size };
	struct share_dir s;
	struct stat before, after;

	(void)setrlimit(RLIMIT_FSIZE, &small);
	(void)signal(SIGXFSZ, SIG_IGN);
	share_init(&s, 4);
	if (mkdirat(s.base, "outside", 0755) < 0 || mkdirat(s.root, "d", 0755) < 0 ||
		symlinkat("../outside", s.root, "l") < 0 ||
		mknodat(s.root, "f", S_IFREG | 0644, 0) < 0)
		abort();
	assert(fstatat(s.base, "outside", &before, 0) == 0);
	n_nodes = 0;
	folder_fh = 0;
	for (unsigned i = 0; i < MAX_NODES; i++)
		nodes[i] = FUSE_ROOT_ID;
	for (int i = 0; i < MAX_REQUESTS && in.left; i++)
		request(&in);
	assert(fstatat(s.base, "outside", &after, 0) == 0);
	assert(before.st_mode == after.st_mode && before.st_nlink == after.st_nlink &&
		before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_uid == after.st_uid);
	share_done(&s);
	return 0;
}
