/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cli.c - the command line: what is refused by name, exit statuses, how errors are told, and
 * the documents of state, list, spec and features. Its tables and help are in test-cli-help.c, how
 * options are read is in test-cli-options.c.
 */
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cli-run.h"

#include "ctr.h"
#include "json.h"
#include "log.h"

/* ---- what is refused ----------------------------------------------------------------------- */

#define NOT_A_NUMBER(option, value) \
	"invalid value for " option ": parsing \"" value "\": invalid syntax"

/* Who is not root is told that it takes root, wherever it is that the rights end. */
static void who_is_not_root_is_told_so(void **state)
{
	char dir[] = "/tmp/test-cli-XXXXXX", line[64], message[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0), 0);
	(void)snprintf(line, sizeof(line), "--root %s/root list", dir);
	(void)snprintf(message, sizeof(message),
		"state folder %s/root: permission denied; nestbox runs as root", dir);
	as_nobody = true;
	assert_fails(line, 1, message);
	as_nobody = false;
	assert_int_equal(rmdir(dir), 0);
}

/* Without cgroup v2 no container runs, whatever else the machine has. */
static void check_tells_of_cgroups(void **state)
{
	cleanup(outcome) struct outcome o = nestbox("check");
	struct statfs fs = { 0 };

	(void)state;
	assert_string_equal(o.err, "");
	if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
		assert_non_null(strstr(o.out, "\ncgroup           v2\n"));
	} else {
		assert_non_null(strstr(o.out, "\ncgroup           cgroup v2 is needed at "));
		assert_non_null(strstr(o.out, "\nresult           not ready\n"));
		assert_int_equal(o.status, 1);
	}
}

#define SEE_HELP " (nestbox --help lists the commands)"

static void bad_command_lines_are_refused(void **state)
{
	(void)state;
	assert_fails("nope", 3, "No help topic for 'nope'" SEE_HELP);
	assert_fails("help nope", 3, "No help topic for 'nope'" SEE_HELP);
	assert_fails(
		"checkpoint --help", 1, "checkpoint: not supported: a microVM cannot be saved yet");
	assert_fails("restore a", 1, "restore: not supported: a microVM cannot be saved yet");
	assert_fails(
		"help checkpoint", 1, "checkpoint: not supported: a microVM cannot be saved yet");
	assert_fails("nope -h", 3, "No help topic for 'nope'" SEE_HELP);
	assert_fails("--nope", 1, "flag provided but not defined: --nope");
	assert_fails("--root", 1, "flag needs an argument: --root");
	assert_fails("--rootless=true list", 1, "--rootless=true is not supported");
	assert_fails("--log-format xml list", 1, "invalid log format: xml");
	assert_fails("--root= list", 1, "--root: is empty");
	assert_fails("list --format xml", 1, "invalid format option");
	assert_fails("start", 1, "\"start\" requires exactly 1 argument(s): CONTAINER-ID");
	assert_fails("start a b", 1, "\"start\" requires exactly 1 argument(s): CONTAINER-ID");
	assert_fails("list a", 1, "\"list\" requires exactly 0 argument(s)");
	assert_fails(
		"kill", 1, "\"kill\" requires a minimum of 1 argument(s): CONTAINER-ID [SIGNAL]");
	assert_fails("kill a 9 b", 1,
		"\"kill\" requires a maximum of 2 argument(s): CONTAINER-ID [SIGNAL]");
	assert_fails("kill a NOPE", 1, "unknown signal \"NOPE\"");
	assert_fails("exec", 255,
		"\"exec\" requires a minimum of 1 argument(s): CONTAINER-ID COMMAND [ARG...]");
	assert_fails("exec c", 255, "process args cannot be empty");
	assert_fails("exec --nope c ls", 255, "flag provided but not defined: --nope");
	assert_fails("exec -g x c ls", 255, "additional gid x: not a number");
	assert_fails("exec -g -1 c ls", 255, "additional gid -1: not a number");
	assert_fails("exec -g 4294967295 c ls", 255, "additional gid 4294967295: not a number");
	assert_fails("create --preserve-fds x c", 1, "invalid value \"x\" for flag -preserve-fds");
	assert_fails("create --preserve-fds= c", 1, "invalid value \"\" for flag -preserve-fds");
	assert_fails("run --preserve-fds 3 c", 1,
		"--preserve-fds 3 is not supported: open files cannot be handed into a VM");
	assert_fails("exec --preserve-fds 1 c ls", 255,
		"--preserve-fds 1 is not supported: open files cannot be handed into a VM");
	assert_fails("--root /nowhere/at/all exec --preserve-fds 0 c ls", 255,
		"container does not exist");
}

/* A wrong value for each option that takes one, and the message. NULL: any text is right, or it is
 * wrong only for a container (test-verbs.c) or a bundle (40-bad-input.bats). */
static const struct {
	const char *verb, *option, *value, *message;
} wrong_values[] = {
	{ "create", "bundle", "/nowhere/at/all",
		"bundle /nowhere/at/all: no such file or directory" },
	{ "create", "console-socket", NULL, NULL },
	{ "create", "pid-file", NULL, NULL },
	{ "create", "pidfd-socket", NULL, NULL },
	{ "create", "preserve-fds", "-1", "invalid value \"-1\" for flag -preserve-fds" },
	{ "events", "interval", "5", "invalid value \"5\" for flag -interval" },
	{ "events", "interval", "", "invalid value \"\" for flag -interval" },
	{ "events", "interval", "nans", "invalid value \"nans\" for flag -interval" },
	{ "events", "interval", "-1s", "duration interval must be greater than 0" },
	{ "events", "interval", "0ms", "duration interval must be greater than 0" },
	{ "exec", "additional-gids", "x", "additional gid x: not a number" },
	{ "exec", "apparmor", NULL, NULL },
	{ "exec", "cap", NULL, NULL },
	{ "exec", "cgroup", NULL, NULL },
	{ "exec", "console-socket", NULL, NULL },
	{ "exec", "cwd", NULL, NULL },
	{ "exec", "env", NULL, NULL },
	{ "exec", "pid-file", NULL, NULL },
	{ "exec", "pidfd-socket", NULL, NULL },
	{ "exec", "preserve-fds", "x", "invalid value \"x\" for flag -preserve-fds" },
	{ "exec", "process", NULL, NULL },
	{ "exec", "process-label", NULL, NULL },
	{ "exec", "user", NULL, NULL },
	{ "list", "format", "yaml", "invalid format option" },
	{ "ps", "format", NULL, NULL },
	{ "run", "bundle", "/etc/passwd", "bundle /etc/passwd: not a directory" },
	{ "run", "console-socket", NULL, NULL },
	{ "run", "pid-file", NULL, NULL },
	{ "run", "pidfd-socket", NULL, NULL },
	{ "run", "preserve-fds", "4294967296", NULL },
	{ "run", "trace", NULL, NULL },
	{ "spec", "bundle", "/nowhere/at/all",
		"bundle /nowhere/at/all: no such file or directory" },
	{ "template", "bundle", NULL, NULL },
	{ "template", "format", NULL, NULL },
	{ "trace", "output", NULL, NULL },
	{ "update", "resources", "/nowhere/at/all", "/nowhere/at/all: no such file or directory" },
	{ "update", "blkio-weight", "9", "invalid value for blkio-weight: must be 10 to 1000" },
	{ "update", "blkio-weight", "1001", "invalid value for blkio-weight: must be 10 to 1000" },
	{ "update", "blkio-weight", "x", NOT_A_NUMBER("blkio-weight", "x") },
	{ "update", "cpu-period", "-1", NOT_A_NUMBER("cpu-period", "-1") },
	{ "update", "cpu-quota", "1.5", NOT_A_NUMBER("cpu-quota", "1.5") },
	{ "update", "cpu-burst", "1s", NOT_A_NUMBER("cpu-burst", "1s") },
	{ "update", "cpu-share", "99999999999999999999",
		NOT_A_NUMBER("cpu-share", "99999999999999999999") },
	{ "update", "cpu-rt-period", "x", NOT_A_NUMBER("cpu-rt-period", "x") },
	{ "update", "cpu-rt-runtime", "x", NOT_A_NUMBER("cpu-rt-runtime", "x") },
	{ "update", "cpu-idle", "yes", NOT_A_NUMBER("cpu-idle", "yes") },
	{ "update", "cpuset-cpus", NULL, NULL },
	{ "update", "cpuset-mems", NULL, NULL },
	{ "update", "kernel-memory", NULL, NULL },
	{ "update", "kernel-memory-tcp", NULL, NULL },
	{ "update", "memory", "x", "invalid value for memory: invalid size: 'x'" },
	{ "update", "memory", "-2", "invalid value for memory: invalid size: '-2'" },
	{ "update", "memory", "nan", "invalid value for memory: invalid size: 'nan'" },
	{ "update", "memory", "+nan", "invalid value for memory: invalid size: '+nan'" },
	{ "update", "memory", "1e99", "invalid value for memory: too large" },
	{ "update", "memory", "1kx", "invalid value for memory: invalid suffix: 'x'" },
	{ "update", "memory-reservation", "1z",
		"invalid value for memory-reservation: invalid size: '1z'" },
	{ "update", "memory-swap", "max", "invalid value for memory-swap: invalid size: 'max'" },
	{ "update", "pids-limit", "many", NOT_A_NUMBER("pids-limit", "many") },
	{ "update", "l3-cache-schema", "x", "Intel RDT/CAT: l3 cache schema is not enabled" },
	{ "update", "mem-bw-schema", "x", "Intel RDT/MBA: memory bandwidth schema is not enabled" },
};

static bool has_wrong_value(const char *verb, const char *option)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong_values); i++) {
		if (strcmp(wrong_values[i].verb, verb) == 0 &&
			strcmp(wrong_values[i].option, option) == 0)
			return true;
	}
	return false;
}

static void wrong_values_of_options_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong_values); i++) {
		const struct cli_verb *v = find_verb(wrong_values[i].verb);
		char line[256];

		assert_non_null(v);
		if (!wrong_values[i].message)
			continue;
		(void)snprintf(line, sizeof(line), "%s --%s=%s%s", v->name, wrong_values[i].option,
			wrong_values[i].value, v->min_operands ? " c ls" : "");
		if (v->max_operands == 1)
			line[strlen(line) - strlen(" ls")] = '\0';
		assert_fails(line, v->failure, wrong_values[i].message);
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		for (const struct cli_option *p = verbs[i]->options; p->name; p++) {
			if (p->kind != CLI_FLAG && !p->refused &&
				!has_wrong_value(verbs[i]->name, p->name))
				fail_msg("no wrong value for %s --%s", verbs[i]->name, p->name);
		}
	}
}

/* An id is a file's name: no verb takes one that leads elsewhere. */
static void ids_are_checked_by_every_verb(void **state)
{
	static const char *const ids[] = { "..", ".", "../x", "a/b", "/a", "a:b", "a@b", "a\nb",
		"\303\251", NULL };
	char longest[301];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		const struct cli_verb *v = verbs[i];

		/* create and run read the bundle first; others take a file. */
		if (strncmp(v->operands, "CONTAINER-ID", strlen("CONTAINER-ID")) != 0 ||
			strcmp(v->name, "create") == 0 || strcmp(v->name, "run") == 0)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(ids); k++) {
			const char *id = ids[k] ? ids[k] : longest;
			char line[512], message[512];

			(void)snprintf(line, sizeof(line), "--root /nowhere/at/all %s %s%s",
				v->name, id, v == &verb_exec ? " ls" : "");
			(void)snprintf(message, sizeof(message),
				"invalid container ID format: %.64s",
				strchr(id, '\n') ? "a?b" : id);
			assert_fails(line, v->failure, message);
		}
	}
}

static void refused_flags_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		for (const struct cli_option *p = verbs[i]->options; p->name; p++) {
			char line[128], message[128];

			if (!p->refused)
				continue;
			(void)snprintf(line, sizeof(line), "%s --%s%s c", verbs[i]->name, p->name,
				p->kind == CLI_FLAG ? "" : " 1");
			(void)snprintf(message, sizeof(message), "--%s is not supported", p->name);
			assert_fails(line, verbs[i]->failure, message);
		}
	}
}

static void global_flags_of_callers_are_taken(void **state)
{
	(void)state;
	assert_prints("--root /nowhere/at/all --log-format json --debug --systemd-cgroup "
		      "--rootless=false list --format=json",
		"null\n");
	assert_prints("--rootless=auto --debug=false --root=/nowhere/at/all list -q", "");
	assert_prints("--root /nowhere/at/all delete --force c", "");
}

/* ---- errors told --------------------------------------------------------------------------- */

static char folder[] = "/tmp/nestbox-cli-XXXXXX";

/* A line with %s for the folder. */
#define AT(format) \
	({ \
		static char line_[256]; \
		(void)snprintf(line_, sizeof(line_), format, folder); \
		line_; \
	})

static char *file_at(const char *name)
{
	char path[128];
	cleanup(close) int fd = -EBADF;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return contents(fd);
}

static void remove_at(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(unlink(path), 0);
}

/* podman reads one object, containerd the last of a stream: there is exactly one per failure. */
static void errors_reach_the_log(void **state)
{
	cleanup(outcome) struct outcome o =
		nestbox(AT("--log %s/log --log-format json --root /nowhere/at/all state c"));
	cleanup(free) char *log = file_at("log");
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(o.status, 1);
	assert_string_equal(o.err, "nestbox: container does not exist\n");
	assert_int_equal(json_parse(log, strlen(log), "log", &a, &root, &e), 0);
	assert_int_equal(root->n, 3);
	assert_string_equal(root->first->key, "level");
	assert_string_equal(root->first->text, "error");
	assert_string_equal(root->first->next->key, "msg");
	assert_string_equal(root->first->next->text, "container does not exist");
	assert_string_equal(root->last->key, "time");
	/* RFC 3339, and one line. */
	assert_int_equal(strlen(root->last->text), strlen("2020-01-01T00:00:00Z"));
	assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
	remove_at("log");
}

static void logs_are_appended_to(void **state)
{
	static const char tail[] = "level=error msg=\"container does not exist\"\n";
	cleanup(free) char *log = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		cleanup(outcome) struct outcome o =
			nestbox(AT("--log %s/log --root /nowhere/at/all state c"));

		assert_int_equal(o.status, 1);
	}
	log = file_at("log");
	assert_memory_equal(log, "time=\"", 6);
	assert_non_null(strstr(log, tail));
	assert_non_null(strstr(strstr(log, tail) + 1, tail));
	remove_at("log");
}

/* Without --debug only warnings; with it one entry per message in the log's format, quotes escaped.
 */
static void debug_messages_reach_the_log(void **state)
{
	struct cli_globals g = { .log = AT("%s/log"), .log_format = "text" };
	cleanup(free) char *text = NULL;
	cleanup(free) char *json = NULL;
	cleanup(free) char *warning = NULL;

	(void)state;
	cli_log(&g);
	log_debug("unseen");
	assert_int_equal(access(g.log, F_OK), -1);
	log_warning("mind %d", 1);
	warning = file_at("log");
	assert_non_null(strstr(warning, "Z\" level=warning msg=\"mind 1\"\n"));
	remove_at("log");
	g.debug = true;
	cli_log(&g);
	log_debug("%s \"b\" \\", "a");
	text = file_at("log");
	assert_non_null(strstr(text, "Z\" level=debug msg=\"a \\\"b\\\" \\\\\"\n"));
	remove_at("log");
	g.log_format = "json";
	log_debug("%s \"b\"", "a");
	json = file_at("log");
	assert_non_null(strstr(json, "\"level\":\"debug\",\"msg\":\"a \\\"b\\\"\""));
	remove_at("log");
	log_to(NULL, false);
}

/* Nothing failed: no log. What cannot be written is said. */
static void logs_are_of_errors_only(void **state)
{
	cleanup(outcome) struct outcome good =
		nestbox(AT("--log %s/log --root /nowhere/at/all list"));
	cleanup(outcome) struct outcome bad =
		nestbox("--log /nowhere/at/all --root /nowhere/at/all state c");
	char path[128];

	(void)state;
	assert_int_equal(good.status, 0);
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(bad.status, 1);
	assert_string_equal(bad.err,
		"nestbox: container does not exist\n"
		"nestbox: cannot write the log /nowhere/at/all: no such file or directory\n");
}

/* ---- documents ----------------------------------------------------------------------------- */

/* A container whose monitor is this process, or nobody. */
static void make_container(const char *id, bool runs)
{
	static const struct oci_pair annotations[] = { { "k", "v" } };
	struct ctr_state s = { .id = id,
		.bundle = "/b",
		.rootfs = "/b/r",
		.created = "2020-01-01T00:00:00Z",
		.owner = "root",
		.status = CTR_RUNNING };
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e = { 0 };

	if (runs) {
		s.monitor = process_ref_of(getpid());
		s.annotations = (struct oci_map){ annotations, 1 };
	}
	assert_int_equal(state_new(folder, id, &fd, &lock, &e), 0);
	assert_int_equal(state_save(fd, &s, &e), 0);
}

static void remove_container(const char *id)
{
	static const char *const files[] = { "state.json", "lock", "" };
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/%s", folder, id, files[i]);
		assert_int_equal(*files[i] ? unlink(path) : rmdir(path), 0);
	}
}

static void states_are_shown(void **state)
{
	char wanted[1024];

	(void)state;
	make_container("b", true);
	make_container("a", false);
	(void)snprintf(wanted, sizeof(wanted),
		"{\n  \"ociVersion\": \"1.2.0\",\n  \"id\": \"b\",\n  \"pid\": %d,\n"
		"  \"status\": \"running\",\n  \"bundle\": \"/b\",\n  \"rootfs\": \"/b/r\",\n"
		"  \"created\": \"2020-01-01T00:00:00Z\",\n  \"annotations\": {\n"
		"    \"k\": \"v\"\n  },\n  \"owner\": \"root\"\n}\n",
		(int)getpid());
	assert_prints(AT("--root %s state b"), wanted);
	/* A container that has stopped has no process, and no annotations are no member. */
	assert_prints(AT("--root %s state a"),
		"{\n  \"ociVersion\": \"1.2.0\",\n  \"id\": \"a\",\n  \"pid\": 0,\n"
		"  \"status\": \"stopped\",\n  \"bundle\": \"/b\",\n  \"rootfs\": \"/b/r\",\n"
		"  \"created\": \"2020-01-01T00:00:00Z\",\n  \"owner\": \"root\"\n}\n");
	assert_prints(AT("--root %s list -q"), "a\nb\n");
	(void)snprintf(wanted, sizeof(wanted),
		"[{\"ociVersion\":\"1.2.0\",\"id\":\"a\",\"pid\":0,\"status\":\"stopped\","
		"\"bundle\":\"/b\",\"rootfs\":\"/b/r\",\"created\":\"2020-01-01T00:00:00Z\","
		"\"owner\":\"root\"},{\"ociVersion\":\"1.2.0\",\"id\":\"b\",\"pid\":%d,"
		"\"status\":\"running\",\"bundle\":\"/b\",\"rootfs\":\"/b/r\","
		"\"created\":\"2020-01-01T00:00:00Z\",\"annotations\":{\"k\":\"v\"},"
		"\"owner\":\"root\"}]\n",
		(int)getpid());
	assert_prints(AT("--root %s list --format json"), wanted);
	(void)snprintf(wanted, sizeof(wanted),
		"ID          PID         STATUS      BUNDLE      CREATED                OWNER\n"
		"a           0           stopped     /b          2020-01-01T00:00:00Z   root\n"
		"b           %-12drunning     /b          2020-01-01T00:00:00Z   root\n",
		(int)getpid());
	assert_prints(AT("--root %s list"), wanted);
	remove_container("a");
	remove_container("b");
}

static void spec_writes_once(void **state)
{
	cleanup(free) char *written = NULL;

	(void)state;
	assert_prints(AT("spec --bundle %s"), "");
	written = file_at("config.json");
	assert_string_equal(written, oci_spec_default);
	assert_fails(AT("spec -b %s"), 1, "File config.json exists. Remove it first");
	remove_at("config.json");
	assert_prints(AT("spec --rootless --bundle %s"), "");
	remove_at("config.json");
	assert_fails(
		"spec -b /nowhere/at/all", 1, "bundle /nowhere/at/all: no such file or directory");
}

static void features_are_json(void **state)
{
	cleanup(outcome) struct outcome o = nestbox("features");
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(o.status, 0);
	assert_int_equal(json_parse(o.out, strlen(o.out), "features", &a, &root, &e), 0);
	assert_string_equal(root->first->key, "ociVersionMin");
	assert_string_equal(root->first->text, "1.0.0");
	assert_string_equal(root->first->next->key, "ociVersionMax");
	assert_string_equal(root->first->next->text, "1.2.0");
	/* CRI-O asks for these. */
	assert_non_null(strstr(o.out, "\"rro\""));
	assert_non_null(strstr(o.out, "\"idmap\": {\n        \"enabled\": true"));
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_command_lines_are_refused),
		cmocka_unit_test(wrong_values_of_options_are_refused),
		cmocka_unit_test(who_is_not_root_is_told_so),
		cmocka_unit_test(check_tells_of_cgroups),
		cmocka_unit_test(ids_are_checked_by_every_verb),
		cmocka_unit_test(refused_flags_are_named),
		cmocka_unit_test(global_flags_of_callers_are_taken),
		cmocka_unit_test(errors_reach_the_log),
		cmocka_unit_test(logs_are_appended_to),
		cmocka_unit_test(logs_are_of_errors_only),
		cmocka_unit_test(debug_messages_reach_the_log),
		cmocka_unit_test(states_are_shown),
		cmocka_unit_test(spec_writes_once),
		cmocka_unit_test(features_are_json),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
