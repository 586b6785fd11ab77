/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c - the start action: one server per container, or per group of containers, and its address
 * on stdout.
 *
 * Three forms of the answer, by how it was asked:
 *   BootstrapParams on stdin (containerd 2.3)     a BootstrapResult
 *   MAX_SHIM_VERSION of 3 or more (2.0 to 2.2)    the same as JSON
 *   else (1.6, 1.7)                               the address
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <unistd.h>

#include "actions.h"
#include "address.h"
#include "bundle-files.h"
#include "io.h"
#include "oci-spec.h"
#include "pb-text.h"

#define GROUP_LABEL "io.kubernetes.cri.sandbox-id"
#define STDIN_MAX ((size_t)10 << 20)
#define SPEC_MAX ((size_t)16 << 20)

/* The group in the bundle's annotations, else the id itself. The text is in the arena. */
static const char *group_of(const struct shim_options *o, struct arena *a)
{
	cleanup(close) int fd = open("config.json", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	cleanup(free) char *text = NULL;
	struct oci_spec spec;
	struct err e;
	size_t len = 0;

	/* What is wrong with it, create will say; a sandbox without containers has none. */
	if (fd < 0 || io_read_file(fd, SPEC_MAX, &text, &len) < 0 ||
		oci_spec_parse(text, len, "config.json", a, &spec, &e) < 0)
		return o->id;
	for (size_t i = 0; i < spec.annotations.n; i++) {
		if (strcmp(spec.annotations.v[i].key, GROUP_LABEL) == 0)
			return spec.annotations.v[i].value;
	}
	return o->id;
}

/* Older callers give the runtime's options there: those are another message, with another first
 * string. */
static bool asked_by_message(const struct shim_options *o)
{
	cleanup(free) char *data = NULL;
	Pb__BootstrapParams *m = NULL;
	size_t len = 0;
	bool is = false;

	if (io_read_file(STDIN_FILENO, STDIN_MAX, &data, &len) < 0 || len == 0)
		return false;
	m = pb__bootstrap_params__unpack(NULL, len, (const uint8_t *)data);
	if (!m)
		return false;
	is = strcmp(m->instance_id, o->id) == 0 && strcmp(m->namespace_, o->ns) == 0;
	if (is && *m->containerd_ttrpc_address && !getenv("TTRPC_ADDRESS"))
		(void)setenv("TTRPC_ADDRESS", m->containerd_ttrpc_address, 1);
	pb__bootstrap_params__free_unpacked(m, NULL);
	return is;
}

static int print_address(const char *address, bool by_message, struct err *e)
{
	const char *version = getenv("MAX_SHIM_VERSION");
	Pb__BootstrapResult result = PB__BOOTSTRAP_RESULT__INIT;
	uint8_t data[512];
	size_t len = 0;
	int r = 0;

	if (by_message) {
		result.version = 3;
		result.address = pb_text(address);
		result.protocol = pb_text("ttrpc");
		len = pb__bootstrap_result__pack(&result, data); /* three short fields */
	} else if (version && strtol(version, NULL, 10) >= 3) {
		len = (size_t)snprintf((char *)data, sizeof(data),
			"{\"version\":3,\"address\":\"%s\",\"protocol\":\"ttrpc\"}", address);
	} else {
		len = (size_t)snprintf((char *)data, sizeof(data), "%s", address);
	}
	r = io_write_full(STDOUT_FILENO, data, len);
	return r < 0 ? err_sys(e, r, "standard output") : 0;
}

/* Ends before its containers when memory runs out, but after containerd, who would start no other.
 */
static void set_oom_score(void)
{
	cleanup(close) int fd = -EBADF;
	char name[64], text[32] = "";
	long score = 0;

	(void)snprintf(name, sizeof(name), "/proc/%d/oom_score_adj", (int)getppid());
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_full(fd, text, sizeof(text) - 1) <= 0)
		return;
	score = strtol(text, NULL, 10) + 1;
	(void)snprintf(text, sizeof(text), "%ld", score > 1000 ? 1000 : score);
	(void)!io_write_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
}

/* In a child: the server, with nothing of the caller's but the bundle as working folder. */
static _Noreturn void become_server(
	const struct shim_options *o, const char *address, int listen_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const char *argv[16] = { "containerd-shim-nestbox-v1", "-namespace", o->ns, "-id", o->id,
		"-address", o->address, "-socket", address };

	if (o->debug)
		argv[9] = "-debug";
	if (null < 0 || setsid() < 0)
		_exit(127);
	/* dup2() of a number to itself would leave it to be closed. */
	listen_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 10);
	if (listen_fd < 0 || dup2(listen_fd, SERVE_FD) < 0)
		_exit(127);
	for (int i = 0; i < 3; i++) {
		if (dup2(null, i) < 0)
			_exit(127);
	}
	(void)close_range(SERVE_FD + 1, ~0u, 0);
	(void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(127);
}

int action_start(const struct shim_options *o, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT((size_t)64 << 20);
	bool by_message = asked_by_message(o);
	char address[ADDRESS_MAX];
	cleanup(close) int fd = -EBADF;
	int r = 0;

	address_of(o->address, o->ns, group_of(o, &a), address);
	fd = address_listen(address, e);
	if (fd < 0 && fd != -EEXIST)
		return fd;
	r = bundle_file_write(".", ADDRESS_FILE, address, e);
	if (r == 0 && fd >= 0) {
		pid_t pid = -1;

		set_oom_score();
		pid = fork();
		if (pid == 0)
			become_server(o, address, fd);
		if (pid < 0)
			r = err_sys(e, -errno, "fork");
	}
	if (r < 0) {
		close_fd(&fd);
		address_remove_stale(address);
		return r;
	}
	return print_address(address, by_message, e);
}
