/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-image.c - images of root filesystems: how config.json names one, and what the reader of
 * superblocks says of good, damaged and foreign files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "image.h"
#include "plan.h"

#define SIZE (64u << 10)

/* Little-endian bytes at a place of a superblock. */
struct patch {
	size_t at, len;
	uint64_t value;
};

static const struct patch erofs[] = { { 0, 4, 0xe0f5e1e2 }, { 12, 1, 12 }, { 36, 4, 16 } };
static const struct patch ext4[] = { { 56, 4, 0x1ef53 }, { 4, 4, 64 }, { 24, 4, 0 } };

static int make_file(const struct patch *p, size_t n, const struct patch *more, off_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i <= n; i++) {
		const struct patch *one = i < n ? &p[i] : more;

		if (one)
			assert_int_equal(pwrite(fd, &one->value, one->len, (off_t)(1024 + one->at)),
				one->len);
	}
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void expect(const struct patch *p, size_t n, const struct patch *more, off_t size,
	const char *type, const char *text)
{
	cleanup(close) int fd = make_file(p, n, more, size);
	const char *found = "";
	struct err e = { 0 };
	int r = image_look(fd, (uint64_t)size, &found, &e);

	assert_int_equal(r, text ? -EINVAL : 0);
	if (text)
		assert_non_null(strstr(e.msg, text));
	else
		assert_string_equal(found, type);
}

static void good_ones_are_told_apart(void **state)
{
	(void)state;
	expect(erofs, 3, NULL, SIZE, "erofs", NULL);
	expect(ext4, 3, NULL, SIZE, "ext4", NULL);
	/* Longer than its file system: so are disks. */
	expect(erofs, 3, NULL, SIZE + 512, "erofs", NULL);
	/* 64 bits of blocks, where the flag says that there are. */
	expect(ext4, 3, &(struct patch){ 336, 4, 1 }, SIZE, "ext4", NULL);
}

static void what_cannot_be_used_is_refused_with_the_reason(void **state)
{
	static const struct {
		const struct patch *p;
		struct patch more;
		off_t size;
		const char *text;
	} bad[] = {
		{ erofs, { 0 }, SIZE - 1, "cut off: its erofs file system has 65536 bytes" },
		{ ext4, { 0 }, SIZE - 1, "cut off: its ext4 file system has 65536 bytes" },
		{ erofs, { 0 }, 2047, "too short for a file system (2047 bytes)" },
		{ erofs, { 0 }, 0, "too short for a file system (0 bytes)" },
		{ erofs, { 0, 4, 0xe0f5e1e3 }, SIZE, "neither an EROFS nor an ext4" },
		{ ext4, { 56, 2, 0xef52 }, SIZE, "neither an EROFS nor an ext4" },
		{ erofs, { 36, 4, 0 }, SIZE, "damaged erofs file system" },
		{ erofs, { 12, 1, 255 }, SIZE, "damaged erofs file system" },
		{ erofs, { 36, 4, UINT32_MAX }, SIZE, "cut off" },
		{ ext4, { 4, 4, 0 }, SIZE, "damaged ext4 file system" },
		{ ext4, { 24, 4, UINT32_MAX }, SIZE, "damaged ext4 file system" },
		{ ext4, { 24, 4, 7 }, SIZE, "damaged ext4 file system" },
		{ ext4, { 96, 4, 4 }, SIZE, "was not unmounted" },
		{ ext4, { 58, 2, 0 }, SIZE, "was not unmounted" },
		{ ext4, { 96, 4, 8 }, SIZE, "the journal of another" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		expect(bad[i].p, 3, bad[i].more.len ? &bad[i].more : NULL, bad[i].size, NULL,
			bad[i].text);
}

static void blocks_that_overflow_are_damage(void **state)
{
	const struct patch p[] = { ext4[0], ext4[1], { 24, 4, 6 }, { 96, 4, 0x80 },
		{ 336, 4, UINT32_MAX } };

	(void)state;
	expect(p, 5, NULL, SIZE, NULL, "damaged ext4 file system");
}

static void files_are_opened_by_name(void **state)
{
	struct plan_image image = { .path = "/nonexistent/image", .fstype = "", .field = "here" };
	cleanup(close) int good = make_file(erofs, 3, NULL, SIZE);
	char path[64];
	const char *type = NULL;
	struct err e = { 0 };
	int fd = -EBADF;

	(void)state;
	assert_int_equal(image_open(&image, &fd, &type, &e), -ENOENT);
	assert_string_equal(e.msg, "here: image /nonexistent/image: no such file or directory");
	image.path = "/";
	assert_int_equal(image_open(&image, &fd, &type, &e), -EINVAL);
	assert_string_equal(e.msg, "here: image /: not a regular file");
	image.path = "/dev/null";
	assert_int_equal(image_open(&image, &fd, &type, &e), -EINVAL);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", good);
	image.path = path;
	image.fstype = "ext4";
	assert_int_equal(image_open(&image, &fd, &type, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "its file system is erofs, not ext4"));
	image.fstype = "erofs";
	assert_int_equal(image_open(&image, &fd, &type, &e), 0);
	assert_string_equal(type, "erofs");
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close_fd(&fd);
}

/* ---- config.json --------------------------------------------------------------------------- */

static int build(struct arena *a, const char *members, struct plan *ret, struct err *e)
{
	const struct plan_facts facts = { .id = "c", .bundle = "/b", .cpus = 1 };
	struct oci_spec *s = arena_alloc(a, 1, sizeof(*s));
	char text[1024];
	int n = snprintf(text, sizeof(text),
		"{\"ociVersion\":\"1.2.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]},%s}",
		members);
	int r = oci_spec_parse(text, (size_t)n, "config.json", a, s, e);

	assert_non_null(s);
	return r < 0 ? r : plan_build(s, &facts, a, ret, e);
}

#define ANNOTATION(rest) "\"annotations\":{\"dev.nestbox.rootfs." rest "}"
#define ROOT "\"root\":{\"path\":\"r\",\"readonly\":true},"

static void config_names_an_image(void **state)
{
	static const struct {
		const char *members, *path, *type;
		size_t shares;
		bool readonly;
	} good[] = {
		{ ANNOTATION("image\":\"i.img\""), "/b/i.img", "", 0, false },
		{ ROOT ANNOTATION("image\":\"/i\",\"dev.nestbox.rootfs.type\":\"ext4\""), "/i",
			"ext4", 0, true },
		{ "\"vm\":{\"image\":{\"path\":\"/v\",\"format\":\"raw\"}}", "/v", "", 0, false },
		{ ROOT "\"vm\":{\"image\":{\"path\":\"/v\"}}", "/v", "", 0, true },
		{ ROOT "\"mounts\":[{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"bind\"]}],"
		       "\"vm\":{\"image\":{\"path\":\"/v\"}}",
			"/v", "", 1, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup(arena) struct arena a = ARENA_INIT(0);
		struct plan p;
		struct err e = { 0 };

		if (build(&a, good[i].members, &p, &e) < 0)
			fail_msg("%s", e.msg);
		assert_string_equal(p.host.image.path, good[i].path);
		assert_string_equal(p.host.image.fstype, good[i].type);
		assert_int_equal(p.host.n_shares, good[i].shares);
		assert_int_equal(p.guest.root_kind, GPLAN_ROOT_BLOCK);
		assert_string_equal(p.guest.root_source, "/dev/vda");
		assert_int_equal(p.guest.root_readonly, good[i].readonly);
	}
}

static void what_contradicts_itself_is_refused(void **state)
{
	static const struct {
		const char *members, *text;
	} bad[] = {
		{ ROOT ANNOTATION("image\":\"\""), "dev.nestbox.rootfs.image: is empty" },
		{ ROOT ANNOTATION("type\":\"erofs\""), "there is no image" },
		{ ROOT ANNOTATION("image\":\"i\",\"dev.nestbox.rootfs.type\":\"xfs\""),
			"neither erofs nor ext4: xfs" },
		{ ROOT ANNOTATION("image\":\"i\"") ",\"vm\":{\"image\":{\"path\":\"/v\"}}",
			"vm.image: there is an annotation" },
		{ ROOT "\"vm\":{\"image\":{\"path\":\"/v\",\"format\":\"qcow2\"}}",
			"vm.image.format: only raw is supported, not qcow2" },
		{ "\"hostname\":\"\"", "root: is missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(arena) struct arena a = ARENA_INIT(0);
		struct plan p;
		struct err e = { 0 };

		assert_true(build(&a, bad[i].members, &p, &e) < 0);
		if (!strstr(e.msg, bad[i].text))
			fail_msg("%s", e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_are_told_apart),
		cmocka_unit_test(what_cannot_be_used_is_refused_with_the_reason),
		cmocka_unit_test(blocks_that_overflow_are_damage),
		cmocka_unit_test(files_are_opened_by_name),
		cmocka_unit_test(config_names_an_image),
		cmocka_unit_test(what_contradicts_itself_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
