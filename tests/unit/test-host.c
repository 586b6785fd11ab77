/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-host.c - kinds of KVM by what a machine says of itself; references to processes; terminals
 * for a console socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "unit.h"

#include "console.h"
#include "io.h"
#include "kvm.h"
#include "process.h"
#include "send-fd.h"
#include "share.h"

/* ---- KVM ----------------------------------------------------------------------------------- */

#define CPUINFO(flags) \
	"processor\t: 0\nvendor_id\t: X\nflags\t\t: fpu " flags " sse\nbugs\t\t: svm_bug\n\n" \
	"processor\t: 1\nflags\t\t: fpu sse\n"

static const struct {
	int open_error;
	bool pvm;
	const char *cpuinfo;
	enum kvm_kind kind;
} kvm_cases[] = {
	{ 0, false, CPUINFO("vmx"), KVM_KIND_HARDWARE },
	{ 0, false, CPUINFO("svm"), KVM_KIND_HARDWARE },
	{ 0, false, CPUINFO("vmx hypervisor"), KVM_KIND_NESTED },
	{ 0, false, CPUINFO("hypervisor svm"), KVM_KIND_NESTED },
	/* The module may be loaded on a machine that has the real thing. */
	{ 0, true, CPUINFO("vmx"), KVM_KIND_HARDWARE },
	{ 0, true, CPUINFO("svm hypervisor"), KVM_KIND_NESTED },
	{ 0, true, CPUINFO("hypervisor"), KVM_KIND_SOFTWARE },
	{ 0, true, CPUINFO("rdtscp"), KVM_KIND_SOFTWARE },
	/* Words that only contain the ones looked for, or stand in another line. */
	{ 0, true, CPUINFO("vmx_x xsvm nohypervisor"), KVM_KIND_SOFTWARE },
	{ 0, true, "flags\t\t: vmx\n", KVM_KIND_SOFTWARE },
	{ 0, true, "", KVM_KIND_SOFTWARE },
	{ 0, true, "processor\t: 0\nbugs\t: svm \n", KVM_KIND_SOFTWARE },
	{ 0, true, "processor\t: 0\nflags\t: fpu\nbugs\t: svm \n", KVM_KIND_SOFTWARE },
	/* Nothing is known of the processor: what opens is taken at its word. */
	{ 0, false, "", KVM_KIND_HARDWARE },
	{ -EACCES, false, CPUINFO("vmx"), KVM_KIND_DENIED },
	{ -EPERM, false, CPUINFO("vmx"), KVM_KIND_DENIED },
	{ -EACCES, true, CPUINFO("hypervisor"), KVM_KIND_DENIED },
	{ -ENOENT, false, CPUINFO("vmx"), KVM_KIND_ABSENT },
	{ -ENODEV, false, CPUINFO("vmx hypervisor"), KVM_KIND_ABSENT },
	{ -ENXIO, true, CPUINFO("hypervisor"), KVM_KIND_ABSENT },
};

static void kvm_kinds_are_told_apart(void **state)
{
	bool seen[KVM_KIND_MAX] = { false };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kvm_cases); i++) {
		const struct kvm_facts f = { .open_error = kvm_cases[i].open_error,
			.pvm_module = kvm_cases[i].pvm,
			.cpuinfo = kvm_cases[i].cpuinfo };
		enum kvm_kind kind = kvm_classify(&f);

		if (kind != kvm_cases[i].kind)
			fail_msg("case %zu: %s", i, kvm_kind_name(kind));
		seen[kind] = true;
	}
	for (int k = 0; k < KVM_KIND_MAX; k++)
		assert_true(seen[k]);
}

static void kvm_kinds_have_names_and_remedies(void **state)
{
	(void)state;
	for (enum kvm_kind k = 0; k < KVM_KIND_MAX; k++) {
		bool usable = k == KVM_KIND_HARDWARE || k == KVM_KIND_NESTED;

		assert_true(*kvm_kind_name(k));
		for (enum kvm_kind other = 0; other < k; other++)
			assert_string_not_equal(kvm_kind_name(k), kvm_kind_name(other));
		/* A remedy where one is needed, on one line. */
		assert_int_equal(*kvm_kind_remedy(k) == '\0', usable);
		assert_null(strchr(kvm_kind_remedy(k), '\n'));
	}
}

/* This machine, whichever it is: open and probe agree. */
static void kvm_open_agrees_with_the_probe(void **state)
{
	enum kvm_kind kind = kvm_probe();
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };
	int r = kvm_open(&fd, &e);

	(void)state;
	assert_in_range(kind, 0, KVM_KIND_MAX - 1);
	assert_int_equal(r == 0, *kvm_kind_remedy(kind) == '\0');
	if (r == 0) {
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	} else {
		assert_int_equal(fd, -EBADF);
		assert_string_equal(e.msg, kvm_kind_remedy(kind));
	}
}

/* ---- processes ----------------------------------------------------------------------------- */

/* A process that waits for its end. */
static pid_t start_child(void)
{
	int ready[2];
	pid_t pid = 0;
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)signal(SIGTERM, SIG_DFL);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

/* Until it is a zombie: gone, but not yet waited for. */
static void wait_zombie(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void process_refs_tell_the_living(void **state)
{
	struct process_ref self = process_ref_of(getpid());
	pid_t pid = start_child();
	struct process_ref child = process_ref_of(pid);

	(void)state;
	assert_int_equal(self.pid, getpid());
	assert_true(self.start > 0);
	assert_true(process_alive(&self));
	assert_int_equal(child.pid, pid);
	assert_true(child.start >= self.start);
	assert_true(process_alive(&child));
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_zombie(pid);
	assert_false(process_alive(&child));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(process_alive(&child));
	assert_int_equal(process_ref_of(pid).start, 0);
}

/* A pid that was used again is another process: not signalled, not ended. */
static void process_refs_do_not_follow_a_pid(void **state)
{
	pid_t pid = start_child();
	struct process_ref stale = process_ref_of(pid);
	struct process_ref live = stale;

	(void)state;
	stale.start--;
	assert_false(process_alive(&stale));
	assert_int_equal(process_open(&stale), -ESRCH);
	assert_int_equal(process_signal(&stale, SIGKILL), -ESRCH);
	assert_int_equal(process_end(&stale, 1000), 0);
	assert_true(process_alive(&live));
	assert_int_equal(process_end(&live, 10000), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void no_process_is_no_process(void **state)
{
	/* 2^32 + 1 must not be taken for 1. */
	static const int64_t pids[] = { 0, -1, INT64_MIN, INT64_MAX, 0x100000001, 0x40000000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		const struct process_ref p = { .pid = pids[i] };

		assert_false(process_alive(&p));
		assert_true(process_open(&p) < 0);
		assert_true(process_signal(&p, 0) < 0);
		assert_int_equal(process_end(&p, 0), 0);
	}
}

static void process_signals_arrive(void **state)
{
	pid_t pid = start_child();
	struct process_ref p = process_ref_of(pid);
	cleanup(close) int fd = process_open(&p);
	int status = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(process_signal(&p, 0), 0);
	assert_int_equal(process_signal(&p, 1000), -EINVAL);
	assert_int_equal(process_signal(&p, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(process_signal(&p, SIGTERM), -ESRCH);
}

static void process_end_kills_and_waits(void **state)
{
	pid_t pid = start_child();
	struct process_ref p = process_ref_of(pid);
	int status = 0;

	(void)state;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(process_end(&p, 10000), 0);
	assert_false(process_alive(&p));
	/* Once more is no error, before and after it was waited for. */
	assert_int_equal(process_end(&p, 0), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(process_end(&p, 0), 0);
}

/* The name in /proc/PID/stat may look like the fields behind it. */
static void process_names_do_not_confuse(void **state)
{
	static const char name[] = "a) Z 1 2 3 (";
	struct process_ref before = process_ref_of(getpid());
	char old[16] = "";

	(void)state;
	{
		cleanup(close) int fd = open("/proc/self/comm", O_RDWR | O_CLOEXEC);

		assert_true(fd >= 0);
		assert_true(read(fd, old, sizeof(old) - 1) > 0);
		assert_int_equal(write(fd, name, strlen(name)), strlen(name));
		assert_true(process_alive(&before));
		assert_true(process_ref_of(getpid()).start == before.start);
		assert_int_equal(write(fd, old, strcspn(old, "\n")), strcspn(old, "\n"));
	}
}

/* ---- console ------------------------------------------------------------------------------- */

struct listener {
	char folder[32], path[64];
	int fd;
};

static void listen_at(struct listener *l)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(l->folder, sizeof(l->folder), "/tmp/nestbox-host-XXXXXX");
	assert_non_null(mkdtemp(l->folder));
	(void)snprintf(l->path, sizeof(l->path), "%s/s", l->folder);
	memcpy(address.sun_path, l->path, sizeof(l->path));
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(l->fd, 1), 0);
}

static void unlisten(struct listener *l)
{
	close_fd(&l->fd);
	assert_int_equal(unlink(l->path), 0);
	assert_int_equal(rmdir(l->folder), 0);
}

/* What containerd and conmon expect: one fd, a name shorter than 4096, a real terminal. */
static void console_master_is_handed_over(void **state)
{
	struct listener l = { .fd = -EBADF };
	cleanup(close) int slave = -EBADF;
	cleanup(close) int peer = -EBADF;
	char name[4096] = "", buffer[8] = "";
	struct winsize size = { 0 };
	struct stat st;
	int fds[2] = { -EBADF, -EBADF };
	size_t n = 0;
	struct err e = { 0 };

	(void)state;
	listen_at(&l);
	assert_int_equal(console_open(l.path, 33, 77, &slave, &e), 0);
	peer = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC);
	assert_in_range(io_recv_fds(peer, name, sizeof(name) - 1, fds, 2, &n), 1, 4095);
	assert_int_equal(n, 1);
	assert_memory_equal(name, "/dev/pts/", 9);
	assert_int_equal(stat(name, &st), 0);
	/* And nothing more. */
	assert_int_equal(io_recv_fds(peer, buffer, sizeof(buffer), fds + 1, 1, &n), 0);
	/* The size that was asked for, seen from the caller's end. */
	assert_int_equal(ioctl(fds[0], TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, 33);
	assert_int_equal(size.ws_col, 77);
	/* Raw: bytes pass as they are, without echo. */
	assert_int_equal(write(slave, "a\n", 2), 2);
	assert_int_equal(read(fds[0], buffer, sizeof(buffer)), 2);
	assert_memory_equal(buffer, "a\n", 2);
	assert_int_equal(write(fds[0], "\x03", 1), 1);
	assert_int_equal(read(slave, buffer, sizeof(buffer)), 1);
	assert_int_equal(buffer[0], 3);
	(void)close(fds[0]);
	unlisten(&l);
}

static void console_failures_leave_nothing(void **state)
{
	char longer[200];
	int slave = -EBADF;
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int after = -EBADF;
	struct err e = { 0 };

	(void)state;
	(void)close(before);
	assert_int_equal(console_open("/nowhere/s", 0, 0, &slave, &e), -ENOENT);
	assert_string_equal(e.msg, "console socket /nowhere/s: no such file or directory");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(console_open(longer, 0, 0, &slave, &e), -ENAMETOOLONG);
	assert_int_equal(console_open("/dev/null", 0, 0, &slave, &e), -ECONNREFUSED);
	assert_int_equal(slave, -EBADF);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(after, before);
	(void)close(after);
}

/* In a session of its own, with nothing that is a terminal. */
static void a_terminal_that_is_not_there_is_named(void **state)
{
	static const char wanted[] =
		"open /dev/tty: no such device or address; the process wants a "
		"terminal (process.terminal, or exec --tty)";
	int status = 0;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		struct err e = { 0 };

		(void)setsid();
		for (int fd = 0; fd < 3; fd++)
			(void)dup2(null, fd);
		_exit(console_check_own(&e) == -ENXIO && strcmp(e.msg, wanted) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void mounts_below_a_share_are_seen(void **state)
{
	(void)state;
	/* Whatever this machine is, /proc is mounted in it. */
	assert_true(share_has_mounts_below("/"));
	assert_true(share_has_mounts_below("/proc/.."));
	assert_false(share_has_mounts_below("/proc/self/fd"));
	assert_false(share_has_mounts_below("/pro"));
	assert_false(share_has_mounts_below("/nowhere/at/all"));
}

/* One message with one fd, a pidfd of that process, and its name; no listener is an error. */
static void pidfds_are_handed_over(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup(close) int peer = -EBADF;
	cleanup(close) int fd = -EBADF;
	char name[16] = "", info[64];
	struct err e = { 0 };
	struct stat st;
	size_t n = 0;

	(void)state;
	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "/tmp/nestbox-pidfd-%d", (int)getpid());
	assert_int_equal(send_pidfd(address.sun_path, "setns", getpid(), &e), -ENOENT);
	assert_memory_equal(e.msg, "pidfd socket /tmp/", 18);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(send_pidfd(address.sun_path, "setns", getpid(), &e), 0);
	assert_int_equal(unlink(address.sun_path), 0);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(io_recv_fds(peer, name, sizeof(name), &fd, 1, &n), 5);
	assert_int_equal(n, 1);
	assert_string_equal(name, "setns");
	(void)snprintf(info, sizeof(info), "/proc/self/fdinfo/%d", fd);
	assert_int_equal(stat(info, &st), 0);
	/* Signal 0 by it reaches us. */
	assert_int_equal(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kvm_kinds_are_told_apart),
		cmocka_unit_test(mounts_below_a_share_are_seen),
		cmocka_unit_test(kvm_kinds_have_names_and_remedies),
		cmocka_unit_test(kvm_open_agrees_with_the_probe),
		cmocka_unit_test(process_refs_tell_the_living),
		cmocka_unit_test(process_refs_do_not_follow_a_pid),
		cmocka_unit_test(no_process_is_no_process),
		cmocka_unit_test(process_signals_arrive),
		cmocka_unit_test(process_end_kills_and_waits),
		cmocka_unit_test(process_names_do_not_confuse),
		cmocka_unit_test(pidfds_are_handed_over),
		cmocka_unit_test(console_master_is_handed_over),
		cmocka_unit_test(console_failures_leave_nothing),
		cmocka_unit_test(a_terminal_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
