/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-template.c - templates: the file's head, the folder, what decides which VM is cloned, and
 * the state of a device in another VM.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "devices.h"
#include "guest.h"
#include "template-file.h"
#include "templates.h"
#include "virtio-mmio.h"

#define RAM ((uint64_t)64 << 20)

static char folder[] = "/tmp/nestbox-templates-XXXXXX";
static struct template_head head;

static int setup(void **state)
{
	(void)state;
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	return setenv("NESTBOX_TEMPLATES", folder, 1);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* ---- the file ---- */

static int new_file(const char *key)
{
	int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	memset(&head, 0, sizeof(head));
	(void)snprintf(head.key, sizeof(head.key), "%s", key);
	head.ram_bytes = RAM;
	head.used[1] = 0x81;
	assert_int_equal(template_write_head(fd, &head, "state", 5), 0);
	assert_int_equal(template_seal(fd), 0);
	return fd;
}

static void a_head_is_read_as_it_was_written(void **state)
{
	int fd = new_file("key");
	static struct template_head got;
	static char buf[TEMPLATE_MAX_STATE];
	struct err e;

	(void)state;
	assert_int_equal(template_read_head(fd, &got, buf, &e), 0);
	assert_string_equal(got.key, "key");
	assert_int_equal(got.ram_bytes, RAM);
	assert_int_equal(got.state_len, 5);
	assert_memory_equal(buf, "state", 5);
	assert_true(template_has(&got, 8) && template_has(&got, 15));
	assert_false(template_has(&got, 9) || template_has(&got, 0));
	(void)close(fd);
}

static void expect_fault(int fd, const char *text)
{
	static struct template_head got;
	struct err e = { 0 };

	assert_true(template_read_head(fd, &got, NULL, &e) < 0);
	assert_non_null(strstr(e.msg, text));
	(void)close(fd);
}

static void damage_is_seen(void **state)
{
	static const off_t places[] = { 21, 29, 45, 60, 4200, 4657 };
	int fd = new_file("key");

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)RAM), 0);
	expect_fault(fd, "cut off");
	fd = new_file("key");
	assert_int_equal(pwrite(fd, "x", 1, (off_t)TEMPLATE_RAM_AT + 12345), 1);
	expect_fault(fd, "changed after it was made");
	fd = new_file("key");
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	expect_fault(fd, "no template");
	fd = new_file("key");
	assert_int_equal(pwrite(fd, "x", 1, 8), 1);
	expect_fault(fd, "another version");
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		char byte = 0;

		fd = new_file("key");
		assert_int_equal(pread(fd, &byte, 1, places[i]), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
		expect_fault(fd, "damaged");
	}
	fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	expect_fault(fd, "too short");
}

/* ---- the folder ---- */

static struct vmm_plan some_vm(uint64_t ram)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	return (struct vmm_plan){ .ram_bytes = ram,
		.vcpus = 1,
		.cmdline = "quiet",
		.kernel_fd = self,
		.initrd_fd = self,
		.template_fd = -1,
		.save_fd = -1 };
}

/* As the VMM does it. */
static void save(const struct vmm_plan *v)
{
	assert_true(v->save_fd >= 0);
	memset(&head, 0, sizeof(head));
	memcpy(head.key, v->template_key, sizeof(head.key));
	head.ram_bytes = v->boot_bytes;
	assert_int_equal(template_write_head(v->save_fd, &head, "state", 5), 0);
}

static void make_one(uint64_t ram)
{
	struct template t;
	struct vmm_plan v = some_vm(ram);

	template_choose(&t, &v, v.kernel_fd);
	assert_int_equal(v.template_fd, -1);
	save(&v);
	template_done(&t, TEMPLATE_BOOTED);
	(void)close(v.kernel_fd);
}

static bool is_cloned(uint64_t ram)
{
	struct template t;
	struct vmm_plan v = some_vm(ram);
	bool cloned = false;

	template_choose(&t, &v, v.kernel_fd);
	cloned = v.template_fd >= 0;
	template_done(&t, cloned ? TEMPLATE_CLONED : TEMPLATE_UNTRIED);
	(void)close(v.kernel_fd);
	return cloned;
}

static size_t count_files(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n - 2;
}

static void the_second_vm_of_a_kind_is_a_clone(void **state)
{
	(void)state;
	make_one(RAM);
	assert_true(is_cloned(RAM));
	assert_false(is_cloned(2 * RAM));
	assert_true(is_cloned(RAM));
	assert_int_equal(count_files(), 1);
}

#define MIB(n) ((uint64_t)(n) << 20)

static void few_templates_serve_all_sizes(void **state)
{
	static const struct {
		uint64_t ram, boot;
	} sizes[] = { { MIB(128), MIB(128) }, { MIB(192), MIB(192) }, { MIB(256), MIB(128) },
		{ MIB(320), MIB(192) }, { MIB(448), MIB(192) }, { MIB(512), MIB(512) },
		{ MIB(576), MIB(576) }, { MIB(640), MIB(512) }, { MIB(1088), MIB(576) },
		{ MIB(8192 + 64), MIB(576) },
		/* Not of our making, or too much of it. */
		{ MIB(64), MIB(64) }, { MIB(300), MIB(300) }, { MIB(1026), MIB(1026) },
		{ MIB(65536), MIB(65536) } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_int_equal(template_boot_bytes(sizes[i].ram, VMM_SOME_FS), sizes[i].boot);
	/* Sandboxes are larger. */
	assert_int_equal(template_boot_bytes(PLAN_SANDBOX_RAM, VMM_MAX_FS), PLAN_SANDBOX_RAM);
	assert_int_equal(template_boot_bytes(MIB(2112), VMM_MAX_FS), MIB(1088));
	assert_int_equal(template_boot_bytes(MIB(960), VMM_MAX_FS), MIB(192));
	make_one(MIB(1024));
	assert_true(is_cloned(MIB(512)));
	assert_true(is_cloned(MIB(2048)));
	assert_false(is_cloned(MIB(1088)));
	assert_false(is_cloned(MIB(256)));
	assert_int_equal(count_files(), 1);
}

static bool vcpus_are_cloned(uint32_t vcpus)
{
	struct template t;
	struct vmm_plan v = some_vm(MIB(512));
	bool cloned = false;

	v.vcpus = vcpus;
	template_choose(&t, &v, v.kernel_fd);
	cloned = v.template_fd >= 0;
	assert_true(v.vcpus == vcpus && v.vcpus <= v.max_vcpus);
	assert_true(v.boot_vcpus == t.size.boot_vcpus && t.size.vcpus == vcpus);
	if (v.save_fd >= 0)
		save(&v);
	template_done(&t, cloned ? TEMPLATE_CLONED : TEMPLATE_BOOTED);
	(void)close(v.kernel_fd);
	return cloned;
}

static void one_template_serves_some_processors(void **state)
{
	(void)state;
	assert_false(vcpus_are_cloned(1));
	assert_false(vcpus_are_cloned(4));
	assert_true(vcpus_are_cloned(2));
	assert_true(vcpus_are_cloned(TEMPLATE_SHARED_VCPUS));
	assert_false(vcpus_are_cloned(TEMPLATE_SHARED_VCPUS + 1));
	assert_false(vcpus_are_cloned(TEMPLATE_SHARED_VCPUS + 2));
	assert_true(vcpus_are_cloned(TEMPLATE_SHARED_VCPUS + 1));
	assert_int_equal(count_files(), 4);
}

static void without_a_template_all_memory_is_there_at_boot(void **state)
{
	struct template first, second;
	struct vmm_plan v = some_vm(MIB(1024)), w = v;

	(void)state;
	template_choose(&first, &v, v.kernel_fd);
	assert_true(v.save_fd >= 0);
	assert_int_equal(v.boot_bytes, MIB(512));
	assert_int_equal(first.size.boot_bytes, MIB(512));
	/* Somebody else is saving one. */
	template_choose(&second, &w, w.kernel_fd);
	assert_int_equal(w.boot_bytes, MIB(1024));
	assert_int_equal(second.size.boot_bytes, MIB(1024));
	template_done(&second, TEMPLATE_BOOTED);
	template_done(&first, TEMPLATE_FAILED);
	assert_int_equal(setenv("NESTBOX_TEMPLATES", "/proc/nothing", 1), 0);
	template_choose(&first, &v, v.kernel_fd);
	assert_int_equal(v.boot_bytes, MIB(1024));
	template_done(&first, TEMPLATE_UNTRIED);
	(void)close(v.kernel_fd);
}

static void what_was_not_saved_in_full_is_no_template(void **state)
{
	struct template t;
	struct vmm_plan v = some_vm(RAM);

	(void)state;
	template_choose(&t, &v, v.kernel_fd);
	assert_int_equal(write(v.save_fd, "half", 4), 4);
	template_done(&t, TEMPLATE_BOOTED);
	assert_int_equal(count_files(), 0);
	/* Whoever was killed leaves one behind. */
	template_choose(&t, &v, v.kernel_fd);
	close_fd(&t.save);
	close_fd(&t.folder);
	assert_int_equal(count_files(), 1);
	make_one(RAM);
	assert_int_equal(count_files(), 1);
	(void)close(v.kernel_fd);
}

static void one_of_many_first_starts_saves(void **state)
{
	struct template first, second;
	struct vmm_plan v = some_vm(RAM), w = v;

	(void)state;
	template_choose(&first, &v, v.kernel_fd);
	template_choose(&second, &w, w.kernel_fd);
	assert_true(v.save_fd >= 0);
	assert_int_equal(w.save_fd, -1);
	assert_int_equal(w.template_fd, -1);
	template_done(&second, TEMPLATE_BOOTED);
	save(&v);
	template_done(&first, TEMPLATE_BOOTED);
	assert_true(is_cloned(RAM));
	(void)close(v.kernel_fd);
}

static void a_template_that_leads_to_no_guest_goes(void **state)
{
	struct template t;
	struct vmm_plan v = some_vm(RAM);

	(void)state;
	make_one(RAM);
	template_choose(&t, &v, v.kernel_fd);
	assert_true(v.template_fd >= 0);
	template_done(&t, TEMPLATE_FAILED);
	assert_int_equal(count_files(), 0);
	(void)close(v.kernel_fd);
}

static void only_what_is_ours_alone_is_used(void **state)
{
	char path[512];
	struct arena a = ARENA_INIT(0);
	struct ctr_template *list = NULL;
	struct err e;
	size_t n = 0;

	(void)state;
	make_one(RAM);
	assert_int_equal(ctr_template_list(&a, &list, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_null(list[0].fault);
	assert_int_equal(list[0].ram_bytes, RAM);
	assert_non_null(strstr(list[0].key, "memory 64 MiB"));
	(void)snprintf(path, sizeof(path), "%s/%s.template", folder, list[0].name);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(ctr_template_list(&a, &list, &n, &e), 0);
	assert_non_null(strstr(list[0].fault, "somebody else"));
	assert_false(is_cloned(RAM));
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(ctr_template_list(&a, &list, &n, &e), -EPERM);
	assert_false(is_cloned(RAM));
	assert_int_equal(chmod(folder, 0700), 0);
	arena_done(&a);
}

static void the_folder_does_not_grow_without_end(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= TEMPLATE_MAX_FILES + 3; i++)
		make_one(RAM + i * TEMPLATE_BLOCK);
	assert_int_equal(count_files(), TEMPLATE_MAX_FILES);
	assert_false(is_cloned(RAM + TEMPLATE_BLOCK));
	assert_true(is_cloned(RAM + (TEMPLATE_MAX_FILES + 3) * TEMPLATE_BLOCK));
}

static void templates_are_removed_by_name_or_all(void **state)
{
	struct arena a = ARENA_INIT(0);
	struct ctr_template *list = NULL;
	struct err e;
	size_t n = 0;

	(void)state;
	make_one(RAM);
	make_one(2 * RAM);
	make_one(3 * RAM);
	assert_int_equal(ctr_template_list(&a, &list, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_int_equal(ctr_template_remove("../x", &e), -ENOENT);
	assert_int_equal(ctr_template_remove("nothing", &e), -ENOENT);
	assert_string_equal(e.msg, "template nothing does not exist");
	assert_int_equal(ctr_template_remove(list[0].name, &e), 0);
	assert_int_equal(count_files(), 2);
	assert_int_equal(ctr_template_remove(NULL, &e), 0);
	assert_int_equal(count_files(), 0);
	assert_int_equal(setenv("NESTBOX_TEMPLATES", "/nonexistent/nestbox", 1), 0);
	assert_int_equal(ctr_template_list(&a, &list, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(ctr_template_remove(NULL, &e), 0);
	arena_done(&a);
}

static void a_bundle_may_want_none(void **state)
{
	struct plan p = { .vm = { .ram_bytes = RAM, .parameters = "" } };
	const struct oci_pair off = { .key = TEMPLATE_ANNOTATION, .value = "off" };
	const struct oci_map none = { 0 }, one = { &off, 1 };

	(void)state;
	assert_true(template_wanted(&p, &none));
	assert_false(template_wanted(&p, &one));
	p.vm.parameters = " debug";
	assert_false(template_wanted(&p, &none));
	p.vm.parameters = "";
	p.vm.kernel_path = "/boot/vmlinux";
	assert_false(template_wanted(&p, &none));
	p.vm.kernel_path = NULL;
	p.vm.ram_bytes = 2 * TEMPLATE_MAX_RAM;
	assert_false(template_wanted(&p, &none));
	p.vm.ram_bytes = RAM;
	assert_int_equal(setenv("NESTBOX_TEMPLATES", "off", 1), 0);
	assert_false(template_wanted(&p, &none));
}

/* ---- devices ---- */

static void a_device_goes_on_in_another_vm(void **state)
{
	struct guest g;
	struct ring r;
	struct virtio_dev other;
	uint8_t registers[VIRTIO_MMIO_SIZE] __attribute__((aligned(8))) = { 0 };
	uint8_t saved[4096];
	struct wire_out w;
	struct wire_in in;

	(void)state;
	guest_init(&g);
	ring_init(&r, &g, 0x10000, 256);
	dev_rng_init(&g.dev, &g.loop);
	assert_int_equal(virtio_mmio_init(&g.dev, g.registers), 0);
	guest_start(&g, GUEST_FEATURES_EVENT_IDX, &r, 1);
	wire_out_fixed(&w, saved, sizeof(saved));
	virtio_mmio_put(&g.dev, &w);
	assert_int_equal(w.error, 0);
	dev_rng_init(&other, &g.loop);
	assert_int_equal(virtio_mmio_init(&other, registers), 0);
	wire_in_init(&in, saved, w.len);
	assert_int_equal(virtio_mmio_get(&other, &in), 0);
	assert_true(other.active);
	assert_int_equal(other.vq[0].size, g.dev.vq[0].size);
	assert_int_equal(other.vq[0].desc, g.dev.vq[0].desc);
	/* A ring outside of memory, another device, bytes that are missing. */
	for (size_t cut = 0; cut < w.len; cut++) {
		wire_in_init(&in, saved, cut);
		assert_int_equal(virtio_mmio_get(&other, &in), -EBADMSG);
	}
	memset(saved + w.len - 8, 0xff, 8);
	wire_in_init(&in, saved, w.len);
	assert_int_equal(virtio_mmio_get(&other, &in), -EBADMSG);
	saved[0] ^= 1;
	wire_in_init(&in, saved, w.len);
	assert_int_equal(virtio_mmio_get(&other, &in), -EBADMSG);
	guest_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_head_is_read_as_it_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_second_vm_of_a_kind_is_a_clone, setup, teardown),
		cmocka_unit_test_setup_teardown(few_templates_serve_all_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_template_serves_some_processors, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_a_template_all_memory_is_there_at_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_not_saved_in_full_is_no_template, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_many_first_starts_saves, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_template_that_leads_to_no_guest_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_is_ours_alone_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_folder_does_not_grow_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
			templates_are_removed_by_name_or_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bundle_may_want_none, setup, teardown),
		cmocka_unit_test(a_device_goes_on_in_another_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
