/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-control.c - the VMM's control socket: requests, garbage, more clients than there are places.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

#include "vm.h"

#define PLACES 32
#define MORE 8

static struct vm vm;
static struct sockaddr_un address;

static int setup(void **state)
{
	struct err e = { 0 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)state;
	memset(&vm, 0, sizeof(vm));
	/* A name that the kernel chooses. */
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(
		getsockname(fd, (struct sockaddr *)&address, &(socklen_t){ sizeof(address) }), 0);
	assert_int_equal(listen(fd, MORE), 0);
	vm.plan.control_fd = fd;
	vm.vcpu[0].stats_fd = -EBADF;
	assert_int_equal(loop_init(&vm.loop, 64), 0);
	assert_int_equal(control_init(&vm, &e), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (loop_once(&vm.loop, 0) > 0)
		;
	loop_done(&vm.loop);
	close_fd(&vm.plan.control_fd);
	return 0;
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	/* The kernel's names have five digits behind a NUL. */
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 6), 0);
	return fd;
}

/* As many turns as it takes until there is nothing to do. */
static void run(void)
{
	unsigned turns = 0;

	while (loop_once(&vm.loop, 0) > 0)
		assert_in_range(++turns, 1, 10 * PLACES);
}

static void ask(int fd)
{
	const struct vmm_request m = { .op = VMM_CTL_INFO };
	uint8_t buf[64];
	struct wire_out w;

	wire_out_fixed(&w, buf, sizeof(buf));
	vmm_ctl_put_request(&w, &m);
	assert_int_equal(send(fd, buf, w.len, 0), w.len);
}

static bool is_answered(int fd)
{
	static uint8_t buf[VMM_CTL_MAX];
	static struct vmm_info info;
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	assert_int_not_equal(n, 0); /* not turned away */
	return n > 0 && vmm_ctl_get_reply(buf, (size_t)n, &info) == 0;
}

static void garbage_is_answered_with_an_error(void **state)
{
	cleanup(close) int fd = client();
	uint8_t buf[16];

	(void)state;
	assert_int_equal(send(fd, "garbage", 7, 0), 7);
	run();
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 4);
	assert_int_equal(vmm_ctl_get_reply(buf, 4, NULL), -EBADMSG);
}

static void who_finds_no_place_waits_for_one(void **state)
{
	int fds[PLACES + MORE];

	(void)state;
	for (unsigned i = 0; i < PLACES + MORE; i++) {
		fds[i] = client();
		run();
	}
	for (unsigned i = 0; i < PLACES + MORE; i++)
		ask(fds[i]);
	run();
	for (unsigned i = 0; i < PLACES; i++)
		assert_true(is_answered(fds[i]));
	for (unsigned i = PLACES; i < PLACES + MORE; i++)
		assert_false(is_answered(fds[i]));
	for (unsigned i = 0; i < MORE; i++) {
		close_fd(&fds[i]);
		run();
	}
	for (unsigned i = PLACES; i < PLACES + MORE; i++)
		assert_true(is_answered(fds[i]));
	for (unsigned i = MORE; i < PLACES + MORE; i++)
		close_fd(&fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(garbage_is_answered_with_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(who_finds_no_place_waits_for_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
