/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - nestbox-monitor: stands on the host for one process in a microVM.
 *
 *   nestbox-monitor SESSION_FD GO_FD LOG_FD NULL_FD VMM_PID FSD_PID SCORE_FD LIMIT_FD MODE
 *
 * Callers adopt it, signal it and take its exit status for the container's, so it carries stdio and
 * signals to the process and ends as that does (128 + signal). SESSION_FD is the connection to the
 * process; GO_FD a pipe on which the CLI writes one byte when it has done its part (its end without
 * that byte: the CLI died, everything is undone; -1: go at once). LOG_FD takes a line when the VM
 * died under the process (-1: nobody's). NULL_FD is /dev/null. VMM_PID and FSD_PID are our
 * children, for a container's first process; 0 for exec, and VMM_PID in another container's VM.
 * SCORE_FD and LIMIT_FD: see oom.h. MODE: "pipes"; "tty": fd 0 is a terminal that a caller resizes;
 * "raw": the same, and it is put into raw mode until we end. The working folder holds our fds by
 * number, as /proc/self/fd does, and the root is the container's (ctr/view.h): neither has anything
 * of the host's that could be opened here.
 *
 * Trust:   the guest's bytes pass through unseen; of its messages only EXIT is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "io.h"
#include "jail.h"
#include "loop.h"
#include "oom.h"
#include "session.h"
#include "signals.h"
#include "streams.h"
#include "terminal.h"

#define MAX_SOURCES 16
#define REAP_NS 5000000000ull
#define STEP_MS 10
#define NO_RECORD "nestbox-monitor: the VM ended without an exit record\n"

static struct {
	struct loop loop;
	struct session session;
	int session_fd, go_fd, log_fd, null_fd, signal_fd;
	pid_t vmm, fsd; /* 0 = none, or reaped */
	bool joined; /* the VM is another one's, and goes on */
	bool tty, raw;
	bool have_exit; /* the process's end was told */
	bool oom; /* and that the OOM killer struck meanwhile */
	int status; /* what we shall exit with */
} m = { .session_fd = -EBADF,
	.go_fd = -EBADF,
	.log_fd = -EBADF,
	.null_fd = -EBADF,
	.signal_fd = -EBADF,
	.status = AGENT_STATUS_DIED };

/* ---- messages ------------------------------------------------------------------------------ */

/* Ends when the process's status is known and its output has been handed on. */
static void check_done(void)
{
	if (m.have_exit && session_sinks_idle(&m.session))
		m.loop.stop = true;
}

static int on_message(void *arg, const struct agent_frame *f, const uint8_t *payload)
{
	struct agent_exit e;

	(void)arg;
	if (f->type != AGENT_EXIT || m.have_exit || agent_get_exit(payload, f->len, &e) < 0)
		return -EPROTO;
	m.have_exit = true;
	m.oom = e.oom;
	m.status = e.signal ? 128 + (int)e.signal : (int)e.code;
	check_done();
	return 0;
}

static void on_closed(void *arg, int error)
{
	(void)arg;
	(void)error;
	if (!m.have_exit && m.log_fd >= 0)
		(void)!write(m.log_fd, NO_RECORD, sizeof(NO_RECORD) - 1);
	m.loop.stop = true;
}

static void on_sink_end(void *arg, unsigned stream)
{
	(void)arg;
	(void)stream;
	check_done();
}

static const struct session_ops ops = {
	.message = on_message, .closed = on_closed, .sink_end = on_sink_end
};

static void send_u32(uint16_t type, uint32_t value)
{
	uint8_t payload[4];
	struct wire_out w;

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_u32(&w, value);
	(void)!session_send(&m.session, type, 0, payload, w.len);
}

static void send_size(void)
{
	struct agent_winsize size;
	uint8_t payload[8];
	struct wire_out w;

	if (!m.tty || terminal_size(STDIN_FILENO, &size) < 0)
		return;
	wire_out_fixed(&w, payload, sizeof(payload));
	agent_put_winsize(&w, &size);
	(void)!session_send(&m.session, AGENT_WINSIZE, 0, payload, w.len);
}

/* ---- signals ------------------------------------------------------------------------------- */

/* Who is killed has no last words of its own: a forbidden system call, the host's OOM killer. */
static void note_end(const char *who, int status)
{
	char line[80];
	int len = snprintf(line, sizeof(line), "nestbox-monitor: the %s was killed by signal %d\n",
		who, WTERMSIG(status));

	if (WIFSIGNALED(status) && m.log_fd >= 0)
		(void)!write(m.log_fd, line, (size_t)len);
}

static void reap(void)
{
	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		/* ECHILD: both are gone, whoever was told of it. */
		if (pid < 0 && errno == ECHILD)
			m.vmm = m.fsd = 0;
		if (pid <= 0)
			return;
		if (pid == m.vmm) {
			note_end("VMM", status);
			m.vmm = 0;
		}
		if (pid == m.fsd) {
			if (!m.joined) /* a member's is ended by us */
				note_end("fs server", status);
			m.fsd = 0;
		}
	}
}

static void on_signal(void *arg, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)arg;
	(void)events;
	if (read(m.signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		reap();
		break;
	case SIGWINCH:
		send_size();
		break;
	case SIGPIPE: /* ours: a reader of the container's output is gone */
	case SIGTTIN:
	case SIGTTOU:
		break;
	default:
		send_u32(AGENT_SIGNAL, info.ssi_signo);
		break;
	}
}

/* ---- start and end ------------------------------------------------------------------------- */

static int parse_args(int argc, char **argv)
{
	if (argc != 10)
		return -EINVAL;
	m.session_fd = (int)strtol(argv[1], NULL, 10);
	m.go_fd = (int)strtol(argv[2], NULL, 10);
	m.log_fd = (int)strtol(argv[3], NULL, 10);
	m.null_fd = (int)strtol(argv[4], NULL, 10);
	m.vmm = (pid_t)strtol(argv[5], NULL, 10);
	m.fsd = (pid_t)strtol(argv[6], NULL, 10);
	m.joined = !m.vmm;
	m.raw = strcmp(argv[9], "raw") == 0;
	m.tty = m.raw || strcmp(argv[9], "tty") == 0;
	oom_prepare((int)strtol(argv[7], NULL, 10), (int)strtol(argv[8], NULL, 10));
	if (m.session_fd < 3 || fcntl(m.session_fd, F_SETFD, FD_CLOEXEC) < 0)
		return -EINVAL;
	return 0;
}

/* Nothing of the caller's stdio is touched before the CLI has let go of the connection. */
static bool wait_for_go(void)
{
	char byte = 0;
	bool go = m.go_fd < 0 || io_read_full(m.go_fd, &byte, 1) == 1;

	close_fd(&m.go_fd);
	return go;
}

static int attach(void)
{
	int r = session_init(&m.session, &m.loop, take_fd(&m.session_fd), &ops, NULL);

	if (r < 0)
		return r;
	send_size();
	r = streams_attach(&m.session, m.tty, m.null_fd);
	close_fd(&m.null_fd);
	return r;
}

static int start(void)
{
	sigset_t all;
	int r = loop_init(&m.loop, MAX_SOURCES);

	if (r < 0)
		return r;
	signals_all(&all);
	m.signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m.signal_fd < 0)
		return -errno;
	r = loop_add(&m.loop, m.signal_fd, EPOLLIN, on_signal, NULL);
	if (r < 0)
		return r;
	if (m.raw)
		terminal_raw(STDIN_FILENO);
	r = attach();
	return r < 0 ? r : jail_seal(oom_prepared());
}

/* Until a child's end is told, where we have got so far as to be told, or a moment. */
static void wait_for_child(void)
{
	struct signalfd_siginfo info;

	if (m.signal_fd < 0)
		(void)usleep(1000 * STEP_MS);
	else if (io_wait_readable(m.signal_fd, STEP_MS) > 0)
		(void)!read(m.signal_fd, &info, sizeof(info));
}

/* Our end of the connection is closed: the VMM ends by that, and the fs server by the VMM's end. A
 * VMM that does not is killed. In another one's VM the container ends by it, and its server has no
 * more to do. */
static void end_children(void)
{
	const unsigned long long deadline = io_now_ns() + REAP_NS;

	session_done(&m.session);
	close_fd(&m.session_fd);
	if (m.joined && m.fsd)
		(void)kill(m.fsd, SIGKILL);
	while (io_now_ns() < deadline) {
		reap();
		if (!m.vmm && !m.fsd)
			return;
		wait_for_child();
	}
	if (m.vmm)
		(void)kill(m.vmm, SIGKILL);
	if (m.fsd)
		(void)kill(m.fsd, SIGKILL);
}

int main(int argc, char **argv)
{
	sigset_t all;
	int r = parse_args(argc, argv);

	if (r < 0) {
		(void)!write(STDERR_FILENO, "usage: nestbox-monitor (started by nestbox)\n", 44);
		return 1;
	}
	/* Not the number of the fd that we were started from: `ps` finds us by it. */
	(void)prctl(PR_SET_NAME, "nestbox-monitor", 0, 0, 0);
	/* A caller may have it ignored, and then it never comes. */
	(void)signal(SIGCHLD, SIG_DFL);
	signals_all(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	r = jail_monitor();
	if (r == 0 && wait_for_go())
		r = start();
	else
		m.loop.stop = true;
	if (r == 0 && !m.loop.stop)
		(void)!loop_run(&m.loop); /* ended or broken: what follows is the same */
	/* While the VM still holds its memory. */
	if (m.oom)
		oom_show();
	end_children();
	if (m.raw)
		terminal_restore(STDIN_FILENO);
	return m.status;
}
