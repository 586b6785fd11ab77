/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.c - the container's interfaces; see ports.h.
 *
 * Owner:   fds for all slots are taken at the beginning, as nothing can be opened in the jail. The
 *          VMM gets copies of a tap's; ours keep it for the slot's next interface.
 * Trust:   of the guest nothing is taken but "done" and a text. One that does not answer costs us
 *          CALL_MS a time, and nobody waits for us by then but `start`, which has a deadline.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "io.h"
#include "links.h"
#include "ports.h"
#include "tap.h"
#include "vmm-ctl.h"
#include "vmm-plan.h"

#define CALL_MS 10000
#define VMM_MS 5000
#define DETACH_TRIES 50
#define DETACH_US 20000

static struct port {
	bool used;
	bool made; /* tap is there, though it may not be joined with anything */
	bool held; /* the guest's driver has not let go of the last one */
	bool passes; /* answers of name servers, to the namespace's stack */
	struct link link; /* as the guest has it; slot is our place in this table */
	struct tap tap;
	int fd[VMM_MAX_NET_PAIRS]; /* owned */
} ports[VMM_MAX_NET];

static struct {
	int control, nl; /* borrowed */
	unsigned late; /* answers of control that may still come */
	const char *id; /* borrowed */
	int agent; /* owned; -EBADF = not connected */
	unsigned n_slots, n_pairs;
} self = { .agent = -EBADF };

static struct links now; /* what the host has */

/* ---- the VMM and the guest ----------------------------------------------------------------- */

static int ask_vmm(const struct vmm_request *m, const int *fds, size_t n, struct err *e)
{
	int r = vmm_ctl_call_again(self.control, &self.late, m, fds, n, VMM_MS, NULL);

	return r < 0 ? err_sys(e, r, "network: VMM") : 0;
}

int ports_connect(uint32_t port, int *ret_fd, struct err *e)
{
	const struct vmm_request m = { .op = VMM_CTL_CONNECT, .port = port };
	int pair[2];
	int r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, -errno, "network: socket");
	r = ask_vmm(&m, &pair[1], 1, e);
	close_fd(&pair[1]);
	if (r < 0)
		close_fd(&pair[0]);
	else
		*ret_fd = pair[0];
	return r;
}

static int ask_guest(uint16_t type, struct wire_out *w, struct err *e)
{
	int r = w->error ? err_sys(e, w->error, "network") : 0;

	if (r == 0 && self.agent < 0)
		r = ports_connect(AGENT_GUEST_PORT, &self.agent, e);
	if (r == 0)
		r = agent_call(self.agent, type, w->data, w->len, AGENT_OK, CALL_MS, NULL, NULL, e);
	/* An answer that comes too late must not be taken for another's. */
	if (r < 0)
		close_fd(&self.agent);
	wire_out_done(w);
	return r;
}

static int tell_guest(const struct net_config *c, struct err *e)
{
	struct wire_out w;
	int r = 0;

	wire_out_init(&w, AGENT_MAX_REPLY);
	wire_put_str(&w, self.id);
	net_config_put(&w, c);
	r = ask_guest(AGENT_NET, &w, e);
	return r < 0 ? err_wrap(e, "network") : 0;
}

/* ---- ports --------------------------------------------------------------------------------- */

static struct port *find(unsigned index, const char *name)
{
	for (unsigned i = 0; i < self.n_slots; i++) {
		if (ports[i].used && ports[i].link.index == index &&
			strcmp(ports[i].link.config.name, name) == 0)
			return &ports[i];
	}
	return NULL;
}

static int attach(struct port *p, struct err *e)
{
	struct vmm_request m = { .op = VMM_CTL_ATTACH_NET, .slot = (uint32_t)(p - ports) };
	int r = p->made ? 0 : tap_make(self.nl, p->fd, self.n_pairs, &p->tap, e);

	p->made = r == 0;
	memcpy(m.mac, p->link.config.mac, sizeof(m.mac));
	if (r == 0)
		r = tap_join(self.nl, &p->tap, p->link.index, p->link.config.mtu, e);
	return r == 0 ? ask_vmm(&m, p->fd, self.n_pairs, e) : r;
}

/* The slot is free again when the guest's driver has let go of it, for which it has some time. */
static void detach(struct port *p, int tries)
{
	const struct vmm_request m = { .op = VMM_CTL_DETACH_NET, .slot = (uint32_t)(p - ports) };
	struct err ignored;

	for (int i = 0; i < tries; i++) {
		int r = ask_vmm(&m, NULL, 0, &ignored);

		p->held = r == -EBUSY || r == -EAGAIN;
		if (!p->held)
			break;
		if (i + 1 < tries)
			(void)usleep(DETACH_US);
	}
	if (!p->held)
		tap_drain(p->fd, self.n_pairs);
}

static void leave(struct port *p)
{
	if (p->made)
		tap_unjoin(self.nl, &p->tap);
	detach(p, DETACH_TRIES);
	p->used = false;
}

static void drop(struct port *p)
{
	struct err ignored;
	struct wire_out w;

	p->passes = false;
	wire_out_init(&w, 1024);
	wire_put_str(&w, self.id);
	wire_put_u32(&w, (uint32_t)(p - ports));
	(void)!ask_guest(AGENT_NET_GONE, &w, &ignored);
	leave(p);
}

static struct port *free_port(void)
{
	for (unsigned i = 0; i < self.n_slots; i++) {
		struct port *p = &ports[i];

		if (p->used)
			continue;
		if (p->held)
			detach(p, 1);
		if (!p->held)
			return p;
	}
	return NULL;
}

static int add(const struct link *l, struct err *e)
{
	struct port *p = free_port();
	int r = 0;

	if (!p)
		return err_set(e, -ENOSPC,
			"network: interface %.15s is one too many: %u can be had at a time",
			l->config.name, self.n_slots);
	p->link = *l;
	p->link.config.slot = (uint32_t)(p - ports);
	r = attach(p, e);
	if (r == 0) {
		p->used = true;
		r = tell_guest(&p->link.config, e);
	}
	if (r < 0)
		leave(p);
	return r;
}

static int change(struct port *p, const struct link *l, struct err *e)
{
	struct net_config new = l->config;
	int r = 0;

	new.slot = p->link.config.slot;
	if (net_config_same(&new, &p->link.config))
		return 0;
	if (new.mtu != p->link.config.mtu)
		(void)!tap_set_mtu(self.nl, &p->tap, new.mtu);
	r = tell_guest(&new, e);
	/* What it did not take is told again when something changes. */
	if (r == 0)
		p->link.config = new;
	return r;
}

static bool is_there(const struct port *p)
{
	for (size_t i = 0; i < now.n; i++) {
		if (now.link[i].index == p->link.index &&
			strcmp(now.link[i].config.name, p->link.config.name) == 0)
			return true;
	}
	return false;
}

/* ---- public -------------------------------------------------------------------------------- */

int ports_update(struct err *e)
{
	struct err another;
	int result = links_read(self.nl, &now);

	if (result < 0)
		return err_sys(e, result, "network: interfaces");
	for (unsigned i = 0; i < self.n_slots; i++) {
		if (ports[i].used && !is_there(&ports[i]))
			drop(&ports[i]);
	}
	for (size_t i = 0; i < now.n; i++) {
		struct port *p = find(now.link[i].index, now.link[i].config.name);
		int r = p ? change(p, &now.link[i], result < 0 ? &another : e)
			  : add(&now.link[i], result < 0 ? &another : e);

		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

int ports_init(int control_fd, const char *id, int nl, struct err *e)
{
	static struct vmm_info info;
	const struct vmm_request m = { .op = VMM_CTL_INFO };
	int r = vmm_ctl_call(control_fd, &m, NULL, 0, VMM_MS, &info);

	self.control = control_fd;
	self.nl = nl;
	self.id = id;
	if (r < 0)
		return err_sys(e, r, "network: VMM");
	if (info.net_slots > VMM_MAX_NET || info.net_pairs > VMM_MAX_NET_PAIRS)
		return err_set(e, -EPROTO, "network: VMM");
	self.n_slots = info.net_slots;
	self.n_pairs = info.net_pairs;
	for (unsigned i = 0; i < VMM_MAX_NET; i++) {
		for (unsigned j = 0; j < VMM_MAX_NET_PAIRS; j++)
			ports[i].fd[j] = -EBADF;
	}
	for (unsigned i = 0; i < self.n_slots && r == 0; i++) {
		for (unsigned j = 0; j < self.n_pairs && r == 0; j++)
			r = tap_open(&ports[i].fd[j], e);
	}
	return r;
}

void ports_pass_answers(int nl)
{
	for (unsigned i = 0; i < self.n_slots; i++) {
		if (ports[i].used && !ports[i].passes)
			tap_pass_answers(nl, &ports[i].tap);
		ports[i].passes = ports[i].used;
	}
}

void ports_done(void)
{
	for (unsigned i = 0; i < self.n_slots; i++) {
		if (ports[i].used)
			tap_unjoin(self.nl, &ports[i].tap);
	}
	close_fd(&self.agent);
}
