/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-shim.c - the shim: frames, options, names of stdio, mount options, addresses, ids, logs,
 * statistics.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

#include "address.h"
#include "bundle-files.h"
#include "cgroup-stats.h"
#include "console-io.h"
#include "io.h"
#include "jobs.h"
#include "pb-text.h"
#include "server.h"
#include "shim-api.pb-c.h"
#include "shim-options.h"
#include "snapshot-mount.h"
#include "task-io.h"
#include "ttrpc.h"

/* ---- frames -------------------------------------------------------------------------------- */

static void frames_in_pieces(void **state)
{
	struct ttrpc_output out = { 0 };
	struct ttrpc_input in = { 0 };
	uint8_t *payload = NULL;
	size_t used = 0, at = 0;

	(void)state;
	assert_int_equal(ttrpc_output_add(&out, TTRPC_REQUEST, 0x01020305, 3, &payload), 0);
	memcpy(payload, "abc", 3);
	assert_int_equal(ttrpc_output_add(&out, TTRPC_RESPONSE, 7, 0, &payload), 0);
	assert_memory_equal(out.data, "\0\0\0\3\1\2\3\5\1\0abc", 13);
	for (; at < 12; at++) {
		assert_int_equal(ttrpc_input_feed(&in, out.data + at, 1, &used), TTRPC_MORE);
		assert_int_equal(used, 1);
	}
	/* What follows the frame is left. */
	assert_int_equal(ttrpc_input_feed(&in, out.data + at, out.len - at, &used), TTRPC_FRAME);
	assert_int_equal(used, 1);
	assert_int_equal(in.frame.stream, 0x01020305);
	assert_memory_equal(in.payload, "abc", 3);
	ttrpc_input_next(&in);
	assert_int_equal(ttrpc_input_feed(&in, out.data + 13, 10, &used), TTRPC_FRAME);
	assert_int_equal(in.frame.len, 0);
	assert_int_equal(in.frame.type, TTRPC_RESPONSE);
	ttrpc_input_done(&in);
	ttrpc_output_done(&out);
}

static void frames_too_large(void **state)
{
	struct ttrpc_frame f = {
		.len = (uint32_t)TTRPC_MAX + 1, .stream = 9, .type = TTRPC_REQUEST
	};
	struct ttrpc_input in = { 0 };
	struct ttrpc_output out = { 0 };
	static uint8_t chunk[TTRPC_MAX];
	uint8_t header[TTRPC_HEADER], *payload = NULL;
	size_t used = 0;

	(void)state;
	ttrpc_put_header(header, &f);
	assert_int_equal(ttrpc_input_feed(&in, header, sizeof(header), &used), TTRPC_MORE);
	assert_null(in.payload);
	assert_int_equal(ttrpc_input_feed(&in, chunk, sizeof(chunk), &used), TTRPC_MORE);
	assert_int_equal(ttrpc_input_feed(&in, chunk, 5, &used), TTRPC_TOO_LARGE);
	assert_int_equal(used, 1);
	ttrpc_input_done(&in);
	assert_int_equal(
		ttrpc_output_add(&out, TTRPC_RESPONSE, 1, TTRPC_MAX + 1, &payload), -EMSGSIZE);
	/* A reader that does not read: bounded. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ttrpc_output_add(&out, TTRPC_RESPONSE, 1, TTRPC_MAX, &payload), 0);
	assert_int_equal(ttrpc_output_add(&out, TTRPC_RESPONSE, 1, TTRPC_MAX, &payload), -ENOBUFS);
	ttrpc_output_done(&out);
}

/* ---- the server ---------------------------------------------------------------------------- */

static void answer_empty(void *arg, struct reply_to to, const struct server_request *r)
{
	assert_string_equal(r->service, "s");
	assert_string_equal(r->method, "m");
	assert_int_equal(r->timeout_ns, 5);
	server_reply(arg, to, NULL);
}

static void server_answers(void **state)
{
	static struct server s;
	struct loop loop;
	struct sockaddr_storage any;
	socklen_t size = sizeof(any.ss_family);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	Pb__Request r = PB__REQUEST__INIT;
	uint8_t data[128], answer[64];
	struct ttrpc_frame f = { .stream = 3, .type = TTRPC_REQUEST };

	(void)state;
	/* An address that the kernel picks (unix(7), "Autobind feature"). */
	memset(&any, 0, sizeof(any));
	any.ss_family = AF_UNIX;
	assert_int_equal(bind(listener, (struct sockaddr *)&any, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	size = sizeof(any);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&any, &size), 0);
	assert_int_equal(loop_init(&loop, 8), 0);
	assert_int_equal(server_init(&s, &loop, listener, answer_empty, &s), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&any, size), 0);
	r.service = (char[]){ "s" };
	r.method = (char[]){ "m" };
	r.timeout_nano = 5;
	f.len = (uint32_t)pb__request__pack(&r, data + TTRPC_HEADER);
	ttrpc_put_header(data, &f);
	assert_int_equal(write(client, data, TTRPC_HEADER + f.len), TTRPC_HEADER + f.len);
	for (unsigned i = 0; i < 4; i++)
		assert_true(loop_once(&loop, 100) >= 0);
	assert_int_equal(read(client, answer, sizeof(answer)), TTRPC_HEADER);
	assert_memory_equal(answer, "\0\0\0\0\0\0\0\3\2\0", TTRPC_HEADER);
	assert_true(server_idle(&s));
	/* It goes: an answer to it goes nowhere. */
	close(client);
	assert_true(loop_once(&loop, 100) >= 0);
	server_reply(&s, (struct reply_to){ 0, 0, 3 }, NULL);
	server_done(&s);
	loop_done(&loop);
}

/* ---- names --------------------------------------------------------------------------------- */

static void addresses(void **state)
{
	static const uint8_t abc[4] = { 0xba, 0x78, 0x16, 0xbf };
	uint8_t hash[SHA256_BYTES];
	char address[ADDRESS_MAX], other[ADDRESS_MAX];

	(void)state;
	/* FIPS 180-4, examples: "abc", and the message of 56 bytes that needs two blocks. */
	sha256("abc", 3, hash);
	assert_memory_equal(hash, abc, sizeof(abc));
	sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hash);
	assert_memory_equal(hash, "\x24\x8d\x6a\x61", 4);
	sha256("", 0, hash);
	assert_memory_equal(hash, "\xe3\xb0\xc4\x42", 4);
	address_of("/run/c.sock", "ns", "id", address);
	address_of("/run/c.sock", "ns", "id2", other);
	assert_string_not_equal(address, other);
	assert_int_equal(strlen(address), strlen("unix:///run/containerd/s/") + 64);
	assert_int_equal(strncmp(address, "unix:///run/containerd/s/", 25), 0);
	assert_string_equal(address_path(address), address + 7);
}

static void ids(void **state)
{
	char longest[130];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[129] = '\0';
	assert_false(id_is_usable(longest));
	longest[128] = '\0';
	assert_true(id_is_usable(longest));
	assert_true(id_is_usable("a.b_c-d+1"));
	assert_false(id_is_usable(""));
	assert_false(id_is_usable("-a"));
	assert_false(id_is_usable(".."));
	assert_false(id_is_usable("a/b"));
	assert_false(id_is_usable("a\nb"));
}

static void options(void **state)
{
	struct shim_options o;
	struct err e = { 0 };
	char *all[] = { pb_text("shim"), pb_text("-namespace"), pb_text("ns"), pb_text("--id=c"),
		pb_text("-address"), pb_text("a"), pb_text("-debug"), pb_text("start") };
	char *unknown[] = { pb_text("shim"), pb_text("-nothing") },
	     *cut[] = { pb_text("shim"), pb_text("-id") };
	char *wrong[] = { pb_text("shim"), pb_text("-debug=maybe") },
	     *off[] = { pb_text("shim"), pb_text("-debug=false"), pb_text("--"), pb_text("-id") };

	(void)state;
	assert_int_equal(shim_options_parse(8, all, &o, &e), 0);
	assert_string_equal(o.ns, "ns");
	assert_string_equal(o.id, "c");
	assert_string_equal(o.address, "a");
	assert_string_equal(o.bundle, "");
	assert_true(o.debug);
	assert_string_equal(o.action, "start");
	assert_int_equal(shim_options_parse(2, unknown, &o, &e), -EINVAL);
	assert_int_equal(shim_options_parse(2, cut, &o, &e), -EINVAL);
	assert_string_equal(e.msg, "flag needs an argument: -id");
	assert_int_equal(shim_options_parse(2, wrong, &o, &e), -EINVAL);
	assert_int_equal(shim_options_parse(4, off, &o, &e), 0);
	assert_false(o.debug);
	assert_false(o.help);
	assert_string_equal(o.action, "-id");
	off[1] = pb_text("--help");
	assert_int_equal(shim_options_parse(2, off, &o, &e), 0);
	assert_true(o.help);
	off[1] = pb_text("-h");
	assert_int_equal(shim_options_parse(2, off, &o, &e), 0);
	assert_true(o.help);
}

static void io_names(void **state)
{
	struct io_name n;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(io_name_parse("", &n, &e), 0);
	assert_int_equal(n.scheme, IO_NONE);
	assert_int_equal(io_name_parse("/run/a%41?b", &n, &e), 0);
	assert_int_equal(n.scheme, IO_FIFO);
	assert_string_equal(n.path, "/run/a%41?b");
	io_name_done(&n);
	assert_int_equal(io_name_parse("file:///var/a%20b", &n, &e), 0);
	assert_int_equal(n.scheme, IO_FILE);
	assert_string_equal(n.path, "/var/a b");
	io_name_done(&n);
	assert_int_equal(io_name_parse("binary:///bin/log?-x=1%2f2&flag&a=%zz%4", &n, &e), 0);
	assert_string_equal(n.args[0], "/bin/log");
	assert_string_equal(n.args[1], "-x");
	assert_string_equal(n.args[2], "1/2");
	assert_string_equal(n.args[3], "flag");
	assert_string_equal(n.args[5], "%zz%4");
	assert_null(n.args[6]);
	io_name_done(&n);
	assert_int_equal(
		io_name_parse("binary:///b?1&2&3&4&5&6&7&8&9&1&2&3&4&5&6&7&8&9&1&2&3&4&5&6&7&8&9&"
			      "1&2&3&4&5&6",
			&n, &e),
		-E2BIG);
	assert_int_equal(io_name_parse("relative", &n, &e), -EINVAL);
	assert_int_equal(io_name_parse("ftp://x", &n, &e), -EINVAL);
	assert_int_equal(io_name_parse("file://x", &n, &e), -EINVAL);
}

/* ---- stdio --------------------------------------------------------------------------------- */

static void fifos(void **state)
{
	char dir[] = "/tmp/nestbox-shim-XXXXXX", in[64], out[64];
	struct task_io io;
	struct task_io_names names = { .in = in, .out = out, .err = "", .id = "c", .ns = "ns" };
	struct err e = { 0 };
	char buf[8];
	int client = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(in, sizeof(in), "%s/in", dir);
	(void)snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(task_io_open(&io, &names, &e), -ENOENT);
	assert_int_equal(mkfifo(in, 0600), 0);
	assert_int_equal(mkfifo(out, 0600), 0);
	/* Nobody is at the other ends, and nothing waits. */
	assert_int_equal(task_io_open(&io, &names, &e), 0);
	assert_int_equal(write(io.fds[1], "x", 1), 1);
	client = open(out, O_RDONLY | O_NONBLOCK);
	assert_int_equal(read(client, buf, sizeof(buf)), 1);
	/* stdin ends when the shim's end and the client's are closed, not before. */
	assert_int_equal(io_wait_readable(io.fds[0], 0), 0);
	task_io_close_stdin(&io);
	assert_int_equal(io_wait_readable(io.fds[0], 100), 1);
	assert_int_equal(read(io.fds[0], buf, sizeof(buf)), 0);
	task_io_handed_over(&io);
	assert_int_equal(read(client, buf, sizeof(buf)), 0);
	task_io_done(&io);
	close(client);
	unlink(out);
	/* A folder is no fifo. */
	names.out = dir;
	assert_true(task_io_open(&io, &names, &e) < 0);
	unlink(in);
	rmdir(dir);
}

/* In a bundle whose path is longer than a socket's address, of which nothing is in the way of its
 * removal. */
static void console_sockets(void **state)
{
	char dir[160] = "/tmp/nestbox-shim-XXXXXX";
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct console_socket s;
	struct err e = { 0 };
	int command = socket(AF_UNIX, SOCK_STREAM, 0), sent = open("/dev/null", O_RDONLY), got = -1;
	struct stat a, b;
	size_t len = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	len = strlen(dir);
	memset(dir + len, 'x', 120);
	dir[len] = '/';
	assert_int_equal(console_socket_open(&s, dir, &e), -ENOENT);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(console_socket_open(&s, dir, &e), 0);
	assert_int_equal(rmdir(dir), 0);
	dir[len] = '\0';
	assert_int_equal(rmdir(dir), 0);
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", s.path);
	assert_int_equal(connect(command, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(io_send_fds(command, "pty", 3, &sent, 1), 3);
	got = console_socket_receive(&s, &e);
	assert_true(got >= 0);
	assert_int_equal(fstat(sent, &a), 0);
	assert_int_equal(fstat(got, &b), 0);
	assert_int_equal(a.st_rdev, b.st_rdev);
	console_socket_done(&s);
	close(got);
	close(sent);
	close(command);
}

/* ---- mounts -------------------------------------------------------------------------------- */

static void mount_options(void **state)
{
	char *list[] = { pb_text("ro"), pb_text("nosuid"), pb_text("lowerdir=/a:/b"),
		pb_text("suid"), pb_text("userxattr") };
	char *loop[] = { pb_text("loop") };
	char big[5000], *too_long[] = { big };
	struct mount_options o;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(mount_options_parse(list, 5, &o, &e), 0);
	assert_int_equal(o.flags, 1); /* MS_RDONLY */
	assert_string_equal(o.data, "lowerdir=/a:/b,userxattr");
	assert_int_equal(mount_options_parse(loop, 1, &o, &e), -EOPNOTSUPP);
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(mount_options_parse(too_long, 1, &o, &e), -E2BIG);
}

/* ---- commands ------------------------------------------------------------------------------ */

static char said[256];
static struct job_end last;

static void keep(void *arg, const struct job_end *end)
{
	(void)arg;
	last = *end;
	(void)snprintf(said, sizeof(said), "%s|%s", end->output, end->error);
}

static void commands(void **state)
{
	char log[] = "/tmp/nestbox-shim-XXXXXX";
	int fd = mkstemp(log);
	struct job_spec spec = { .argv = { "sh", "-c", "echo out; exit 3" },
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + 60000000000ull,
		.log = log,
		.done = keep };
	struct err e = { 0 };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(job_run(&spec, &e), 0);
	assert_int_equal(last.status, 3);
	assert_string_equal(said, "out\n|the command ended with status 3");
	/* Only what is its own in the log; the last error counts. */
	assert_true(dprintf(fd, "{\"level\":\"error\",\"msg\":\"old\"}\n") > 0);
	spec.argv[2] =
		"printf '%s\\n' '{\"level\":\"error\",\"msg\":\"a\"}' '{\"level\":\"error\",\"msg\":\"b\"}' "
		"'{\"level\":\"debug\",\"msg\":\"c\"}' nonsense >>\"$0\"; exit 1";
	spec.argv[3] = log;
	assert_int_equal(job_run(&spec, &e), 0);
	assert_string_equal(said, "|b");
	spec.argv[2] = "sleep 100";
	spec.deadline_ns = io_now_ns() + 50000000ull;
	assert_int_equal(job_run(&spec, &e), 0);
	assert_true(last.timed_out);
	assert_int_equal(last.status, 128 + 9);
	close(fd);
	unlink(log);
}

static void no_exit(void *arg, pid_t pid, int status)
{
	(void)arg;
	(void)pid;
	(void)status;
}

static void reap(struct jobs *j, uint64_t limit_ns)
{
	uint64_t end = io_now_ns() + limit_ns;

	while (jobs_running(j) > 0 && io_now_ns() < end) {
		(void)usleep(1000);
		jobs_reap(j);
	}
}

/* Who started the command does not wait for what it waits for. */
static void command_that_waits(void **state)
{
	struct job_spec spec = { .argv = { "echo", "ran" },
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + 60000000000ull,
		.done = keep };
	static struct jobs j;
	struct err e = { 0 };
	int ready[2];

	(void)state;
	assert_int_equal(pipe(ready), 0);
	spec.ready = ready[0];
	said[0] = '\0';
	jobs_init(&j, no_exit, NULL);
	assert_int_equal(job_start(&j, &spec, &e), 0);
	reap(&j, 50000000);
	assert_int_equal(jobs_running(&j), 1);
	assert_int_equal(write(ready[1], "x", 1), 1);
	reap(&j, 60000000000ull);
	assert_string_equal(said, "ran\n|");
	close(ready[0]);
	close(ready[1]);
}

static int says_more(void *arg)
{
	return dprintf(STDOUT_FILENO, "%s", (const char *)arg) > 0 ? 5 : 6;
}

static void job_that_is_a_function(void **state)
{
	struct job_spec spec = { .argv = { "more" },
		.run = says_more,
		.run_arg = pb_text("more"),
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + 10000000000ull,
		.done = keep };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(job_run(&spec, &e), 0);
	assert_int_equal(last.status, 5);
	assert_string_equal(said, "more|the command ended with status 5");
}

/* One that SIGKILL does not end, as far as can be seen, is told of all the same: once. */
static void job_that_hangs(void **state)
{
	uint64_t deadline = io_now_ns() + 3600000000000ull;
	struct job_spec spec = { .argv = { "sleep", "1000" },
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = deadline,
		.done = keep };
	static struct jobs j;
	struct err e = { 0 };
	pid_t pid = 0;

	(void)state;
	jobs_init(&j, no_exit, NULL);
	assert_int_equal(job_start(&j, &spec, &e), 0);
	pid = j.v[0].pid;
	said[0] = '\0';
	assert_true(jobs_tick(&j, deadline - 1) == deadline);
	assert_true(jobs_tick(&j, deadline) == deadline + JOB_DYING_NS);
	assert_string_equal(said, "");
	assert_int_equal(jobs_running(&j), 1);
	assert_true(jobs_tick(&j, deadline + JOB_DYING_NS) == UINT64_MAX);
	assert_string_equal(said, "|the command took too long and was ended");
	assert_true(last.timed_out);
	assert_int_equal(last.status, 128 + 9);
	assert_int_equal(jobs_running(&j), 0);
	/* Its exit is nobody's any more, and its place is free after that. */
	said[0] = '\0';
	assert_int_equal(j.v[0].pid, pid);
	for (unsigned i = 0; j.v[0].pid != 0 && i < 10000; i++) {
		(void)usleep(1000);
		jobs_reap(&j);
	}
	assert_int_equal(j.v[0].pid, 0);
	assert_string_equal(said, "");
}

/* What does not come to its end names the mount that it is at. */
static void mounts_that_fail(void **state)
{
	char *bind[] = { pb_text("rbind") }, *loop[] = { pb_text("loop") };
	struct snapshot_mount mounts[] = { { .type = "bind",
		.source = "/nothing",
		.target = "",
		.options = bind,
		.n_options = 1 } };
	struct snapshot snapshot = { .mounts = mounts, .n = 1, .path = "/nowhere" };
	struct job_spec spec = { .argv = { "mount" },
		.run = snapshot_mount_run,
		.run_arg = &snapshot,
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + 10000000000ull,
		.done = keep };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(job_run(&spec, &e), 0);
	/* ENOENT, or EPERM where we may not mount at all. */
	*strchr(said, '|') = '\0';
	assert_int_equal(snapshot_mount_failed(last.status, false, said, &e), -last.status);
	assert_int_equal(strncmp(e.msg, "mount /nothing at /nowhere: ", 28), 0);
	mounts[0].options = loop;
	assert_int_equal(job_run(&spec, &e), 0);
	*strchr(said, '|') = '\0';
	assert_int_equal(snapshot_mount_failed(last.status, false, said, &e), -EOPNOTSUPP);
	assert_int_equal(strncmp(e.msg, "mount option loop: ", 19), 0);
	assert_int_equal(snapshot_mount_failed(137, true, "\nmount a at b", &e), -ETIMEDOUT);
	assert_string_equal(e.msg, "mount a at b: no answer, given up");
	assert_int_equal(snapshot_mount_failed(137, false, "", &e), -EIO);
	assert_string_equal(e.msg, "mount: ended with status 137");
}

/* A command that is not there says so where a command would have said something. */
static void command_not_there(void **state)
{
	char log[] = "/tmp/nestbox-shim-XXXXXX";
	struct job_spec spec = { .argv = { "/nothing" },
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + 60000000000ull,
		.log = log,
		.done = keep };
	struct err e = { 0 };
	int fd = mkstemp(log);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(job_run(&spec, &e), 0);
	assert_int_equal(last.status, 127);
	assert_string_equal(said, "|the command cannot be executed");
	close(fd);
	unlink(log);
}

static void pid_files(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = { { "17", 0 }, { "17\n", 0 }, { "", -EIO }, { "0", -EIO }, { "-1", -EIO },
		{ "1x", -EIO }, { "99999999999", -EIO } };
	char path[] = "/tmp/nestbox-shim-XXXXXX";
	int fd = mkstemp(path);
	pid_t pid = 0;

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(
			pwrite(fd, cases[i].text, strlen(cases[i].text), 0), strlen(cases[i].text));
		assert_int_equal(pid_file_read(path, &pid), cases[i].want);
	}
	assert_int_equal(pid, 17);
	close(fd);
	unlink(path);
	assert_int_equal(pid_file_read(path, &pid), -ENOENT);
}

static void statistics(void **state)
{
	const char *text = "anon 12\nanon_thp 7\nfile 18446744073709551615\n";

	(void)state;
	assert_int_equal(stats_value(text, "anon"), 12);
	assert_int_equal(stats_value(text, "anon_thp"), 7);
	assert_true(stats_value(text, "file") == UINT64_MAX);
	assert_int_equal(stats_value(text, "nothing"), 0);
}

static void statistics_of_a_guest(void **state)
{
	const char *text =
		"{\"type\":\"stats\",\"data\":{\"cpu\":{\"usage\":{\"total\":5000,\"user\":"
		"2000}},\"memory\":{\"usage\":{\"limit\":18446744073709551615,\"usage\":"
		"70},\"swap\":{\"usage\":75},\"raw\":{\"anon\":30,\"shmem\":4,\"what\":9}},"
		"\"pids\":{\"current\":2}}}";
	const char *const bad[] = { "", "[]", "{}", "{\"data\":{}", "{\"no\":1}" };
	cleanup(free) uint8_t *data = NULL;
	Pb__Metrics *m = NULL;
	struct err e = { 0 };
	size_t len = 0;

	(void)state;
	assert_int_equal(guest_stats(text, &data, &len, &e), 0);
	m = pb__metrics__unpack(NULL, len, data);
	assert_non_null(m);
	assert_int_equal(m->cpu->usage_usec, 5);
	assert_int_equal(m->cpu->user_usec, 2);
	assert_int_equal(m->memory->usage, 70);
	assert_true(m->memory->usage_limit == UINT64_MAX);
	assert_int_equal(m->memory->swap_usage, 5);
	assert_int_equal(m->memory->anon, 30);
	assert_int_equal(m->memory->shmem, 4);
	assert_int_equal(m->pids->current, 2);
	pb__metrics__free_unpacked(m, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(guest_stats(bad[i], &data, &len, &e) < 0);
}

static void runtime_of_a_bundle(void **state)
{
	char dir[] = "/tmp/nestbox-shim-XXXXXX", path[64];
	struct bundle_runtime r = { (char[]){ "/bin/nb" }, (char[]){ "/run/x" }, true }, back;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(bundle_runtime_read(dir, "nestbox", "ns", &back), 0);
	assert_string_equal(back.command, "nestbox");
	assert_string_equal(back.root, "/run/containerd/nestbox/ns");
	bundle_runtime_done(&back);
	assert_int_equal(bundle_runtime_write(dir, &r, &e), 0);
	assert_int_equal(bundle_runtime_read(dir, "nestbox", "ns", &back), 0);
	assert_string_equal(back.command, "/bin/nb");
	assert_string_equal(back.root, "/run/x");
	assert_true(back.systemd);
	bundle_runtime_done(&back);
	(void)snprintf(path, sizeof(path), "%s/nestbox-runtime", dir);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_in_pieces),
		cmocka_unit_test(frames_too_large),
		cmocka_unit_test(server_answers),
		cmocka_unit_test(addresses),
		cmocka_unit_test(ids),
		cmocka_unit_test(options),
		cmocka_unit_test(io_names),
		cmocka_unit_test(fifos),
		cmocka_unit_test(console_sockets),
		cmocka_unit_test(mount_options),
		cmocka_unit_test(commands),
		cmocka_unit_test(command_that_waits),
		cmocka_unit_test(job_that_is_a_function),
		cmocka_unit_test(job_that_hangs),
		cmocka_unit_test(mounts_that_fail),
		cmocka_unit_test(command_not_there),
		cmocka_unit_test(pid_files),
		cmocka_unit_test(statistics),
		cmocka_unit_test(statistics_of_a_guest),
		cmocka_unit_test(runtime_of_a_bundle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
