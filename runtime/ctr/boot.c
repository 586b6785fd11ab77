/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - the first words with a guest; see boot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "boot.h"
#include "call.h"
#include "hooks.h"
#include "io.h"
#include "log.h"
#include "trace.h"

#define DEFAULT_SECONDS 30
#define MAX_SECONDS 86399 /* of $NESTBOX_BOOT_TIMEOUT: less than a day */
#define BUILD_MS 60000
#define LOG_MAX ((size_t)64 << 10)
#define LAST_BYTES 600

static int boot_timeout_ms(void)
{
	const char *text = getenv("NESTBOX_BOOT_TIMEOUT");
	char *end = NULL, given[32];
	long seconds = text && *text ? strtol(text, &end, 10) : DEFAULT_SECONDS;

	if (seconds < 1 || seconds > MAX_SECONDS || (end && *end)) {
		(void)snprintf(given, sizeof(given), "%s", text);
		err_flatten(given);
		log_warning("NESTBOX_BOOT_TIMEOUT=%s: no number of seconds from 1 to %d; %d is "
			    "taken",
			given, MAX_SECONDS, DEFAULT_SECONDS);
		seconds = DEFAULT_SECONDS;
	}
	return (int)seconds * 1000;
}

static const char *exit_name(uint32_t reason)
{
	static const char *const names[] = { [0] = "nothing",
		[2] = "I/O",
		[5] = "HLT",
		[6] = "MMIO",
		[8] = "shutdown",
		[9] = "failed entry",
		[10] = "interrupted",
		[17] = "internal error" };

	return reason < ARRAY_LEN(names) && names[reason] ? names[reason] : "other";
}

int boot_last_words(int state_fd, int code, const char *what, struct err *e)
{
	cleanup(close) int fd = openat(state_fd, "vmm.log", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *log = NULL;
	size_t len = 0;

	if (fd < 0 || io_read_file(fd, LOG_MAX, &log, &len) < 0 || !len)
		return err_set(e, code, "%s", what);
	err_flatten(log);
	len = strlen(log);
	return err_set(e, code, "%s: %s", what, log + (len > LAST_BYTES ? len - LAST_BYTES : 0));
}

static int explain_end(int state_fd, struct err *e)
{
	return boot_last_words(state_fd, -ECONNRESET, "the VM ended before its guest was up", e);
}

static int explain_timeout(int state_fd, int timeout_ms, struct err *e)
{
	static struct vmm_info info;
	struct err ignored;
	char *tail = info.console;

	if (call_vmm_info(state_fd, &info, &ignored) < 0)
		return err_set(e, -ETIMEDOUT,
			"no HELLO from the guest in %d s, and no word of the VMM",
			timeout_ms / 1000);
	info.console[info.console_len < sizeof(info.console) ? info.console_len
							     : sizeof(info.console) - 1] = '\0';
	err_flatten(info.console);
	if (strlen(tail) > LAST_BYTES)
		tail += strlen(tail) - LAST_BYTES;
	return err_set(e, -ETIMEDOUT,
		"no HELLO from the guest in %d s; %llu VM exits, the vCPU last left it for %s (%u) at "
		"rip 0x%llx; console: %s",
		timeout_ms / 1000, (unsigned long long)info.exits, exit_name(info.last_exit),
		info.last_exit, (unsigned long long)info.rip, *tail ? tail : "(nothing)");
}

int boot_hello(int boot_fd, int state_fd, bool *ret_clone, struct err *e)
{
	cleanup(free) uint8_t *payload = NULL;
	struct agent_hello hello;
	struct agent_frame frame;
	int timeout_ms = boot_timeout_ms();
	int r = agent_recv(boot_fd, timeout_ms, &frame, &payload);

	if (r == -ETIMEDOUT)
		return explain_timeout(state_fd, timeout_ms, e);
	if (r == -ECONNRESET)
		return explain_end(state_fd, e);
	if (r < 0 || frame.type != AGENT_HELLO || agent_get_hello(payload, frame.len, &hello) < 0)
		return err_set(e, -EPROTO, "the guest's first message is not HELLO");
	if (hello.version != AGENT_VERSION)
		return err_set(e, -EPROTO, "the guest speaks version %u, not %u: wrong initrd?",
			hello.version, AGENT_VERSION);
	*ret_clone = hello.clone;
	log_debug("the guest is up%s", hello.clone ? ", a clone" : "");
	trace_step("waits for HELLO");
	trace_vmm(state_fd);
	return 0;
}

/* CREATED: a pid, and the guest's marks. */
static void trace_built(int state_fd, const uint8_t *answer, size_t len)
{
	trace_step("waits for CREATED");
	if (len > sizeof(uint32_t))
		trace_guest(answer + sizeof(uint32_t), len - sizeof(uint32_t));
	trace_vmm(state_fd);
}

/* What a clone of a template must not share with its brothers; others can use it too. */
static int freshen(struct gplan *g)
{
	struct timespec now;

	if (getrandom(g->entropy, sizeof(g->entropy), 0) != (ssize_t)sizeof(g->entropy))
		return -errno;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	g->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return 0;
}

int boot_container(int boot_fd, int state_fd, struct gplan *g, struct err *e)
{
	cleanup(free) uint8_t *answer = NULL;
	size_t len = 0;
	struct wire_out w;
	int r = freshen(g);

	if (r < 0)
		return err_sys(e, r, "getrandom");
	log_debug("nsexec container setup: guest init builds %s", g->id);
	wire_out_init(&w, AGENT_MAX_PAYLOAD);
	gplan_put(&w, g);
	if (w.error == -EMSGSIZE)
		r = err_set(e, -E2BIG, "config.json: arguments and environment are too large");
	else if (w.error)
		r = err_sys(e, w.error, "guest plan");
	else
		r = agent_call(boot_fd, AGENT_CREATE, w.data, w.len, AGENT_CREATED,
			hooks_wait_ms(BUILD_MS, &g->create_container.list), &answer, &len, e);
	wire_out_done(&w);
	if (r == 0)
		trace_built(state_fd, answer, len);
	if (r == -ESRCH)
		return explain_end(state_fd, e);
	if (r < 0)
		return err_wrap(e, "unable to start container process");
	log_debug("child process in init(): it waits for start");
	return 0;
}
