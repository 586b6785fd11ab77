/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-oci-refused.c - what config.json may not say: types, ranges and contradictions, refused with
 * their place.
 */
#include <errno.h>

#include "spec-text.h"

static void assert_refused_code(const char *text, int code, const char *message)
{
	cleanup(parsed) struct parsed p = { 0 };

	assert_int_equal(oci_spec_parse(text, strlen(text), "config.json", &p.a, &p.s, &p.e), code);
	assert_string_equal(p.e.msg, message);
	assert_int_equal(p.e.code, code);
	/* The output is not touched by a failure. */
	assert_null(p.s.version);
}

static void assert_refused(const char *text, const char *message)
{
	assert_refused_code(text, -EINVAL, message);
}

static void wrong_types_are_refused_by_place(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "[]", "config.json:1:1: is an array, not an object" },
		{ "7", "config.json:1:1: is a number, not an object" },
		{ "{}", "config.json:1:1: ociVersion: is missing" },
		{ "{\"ociVersion\":null}", "config.json:1:1: ociVersion: is missing" },
		{ "{\n \"ociVersion\": 1 }",
			"config.json:2:16: ociVersion: is a number, not a string" },
		{ SPEC("\n\n\"process\":\n  []"),
			"config.json:4:3: process: is an array, not an object" },
		{ SPEC("\"process\":{\"cwd\":\"/\",\"args\":\"sh\"}"),
			"config.json:1:51: process.args: is a string, not an array" },
		{ SPEC("\"process\":{\"cwd\":\"/\",\"args\":[\"a\",\n1]}"),
			"config.json:2:1: process.args[1]: is a number, not a string" },
		{ SPEC("\"process\":{\"args\":[\"a\"]}"),
			"config.json:1:33: process.cwd: is missing" },
		{ SPEC("\"process\":{\"cwd\":\"tmp\",\"args\":[\"a\"]}"),
			"config.json:1:40: process.cwd: not an absolute path" },
		{ SPEC("\"process\":{\"cwd\":\"\",\"args\":[\"a\"]}"),
			"config.json:1:40: process.cwd: not an absolute path" },
		{ SPEC("\"process\":{\"terminal\":\"yes\"}"),
			"config.json:1:45: process.terminal: is a string, not a boolean" },
		{ SPEC("\"root\":{}"), "config.json:1:30: root.path: is missing" },
		{ SPEC("\"mounts\":{}"), "config.json:1:32: mounts: is an object, not an array" },
		{ SPEC("\"mounts\":[{\"destination\":\"/\"},null]"),
			"config.json:1:53: mounts[1]: is null, not an object" },
		{ SPEC("\"mounts\":[{\"destination\":\"/\",\"options\":[true]}]"),
			"config.json:1:63: mounts[0].options[0]: is a boolean, not a string" },
		{ SPEC("\"annotations\":{\"a\":1}"),
			"config.json:1:42: annotations.a: is a number, not a string" },
		{ SPEC("\"hooks\":{\"prestart\":[{\"path\":\"h\"}]}"),
			"config.json:1:52: hooks.prestart[0].path: not an absolute path" },
		{ LINUX("\"devices\":[{\"path\":\"/d\"}]"),
			"config.json:1:43: linux.devices[0].type: is missing" },
		{ LINUX("\"uidMappings\":[{\"containerID\":0,\"size\":1}]"),
			"config.json:1:47: linux.uidMappings[0].hostID: is missing" },
		{ LINUX("\"seccomp\":{}"),
			"config.json:1:42: linux.seccomp.defaultAction: is missing" },
		{ LINUX("\"namespaces\":[{\"type\":\"network\",\"path\":\"ns\"}]"),
			"config.json:1:71: linux.namespaces[0].path: not an absolute path" },
		{ SPEC("\"vm\":{\"kernel\":{\"path\":\"vmlinux\"}}"),
			"config.json:1:46: vm.kernel.path: not an absolute path" },
		/* The text of a key is made harmless. */
		{ SPEC("\"annotations\":{\"\\u001b[2J\":1}"),
			"config.json:1:50: annotations.?[2J: is a number, not a string" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_refused(cases[i].text, cases[i].message);
}

static void numbers_out_of_range_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ PROCESS("\"user\":{\"uid\":-1}"),
			"config.json:1:71: process.user.uid: must be 0 to 4294967295" },
		{ PROCESS("\"user\":{\"uid\":4294967296}"),
			"config.json:1:71: process.user.uid: must be 0 to 4294967295" },
		{ PROCESS("\"user\":{\"uid\":99999999999999999999999}"),
			"config.json:1:71: process.user.uid: must be 0 to 4294967295" },
		{ PROCESS("\"user\":{\"umask\":512}"),
			"config.json:1:73: process.user.umask: must be 0 to 511" },
		{ PROCESS("\"user\":{\"additionalGids\":[0,-1]}"),
			"config.json:1:85: process.user.additionalGids[1]: must be 0 to "
			"4294967295" },
		{ PROCESS("\"oomScoreAdj\":-1001"),
			"config.json:1:71: process.oomScoreAdj: must be -1000 to 1000" },
		{ PROCESS("\"oomScoreAdj\":1001"),
			"config.json:1:71: process.oomScoreAdj: must be -1000 to 1000" },
		{ PROCESS("\"scheduler\":{\"policy\":\"\",\"nice\":20}"),
			"config.json:1:89: process.scheduler.nice: must be -20 to 19" },
		{ PROCESS("\"ioPriority\":{\"class\":\"\",\"priority\":8}"),
			"config.json:1:93: process.ioPriority.priority: must be 0 to 7" },
		{ PROCESS("\"consoleSize\":{\"height\":65536}"),
			"config.json:1:81: process.consoleSize.height: must be 0 to 65535" },
		{ LINUX("\"resources\":{\"memory\":{\"limit\":-9223372036854775809}}"),
			"config.json:1:63: linux.resources.memory.limit: must be "
			"-9223372036854775808 to 9223372036854775807" },
		{ LINUX("\"resources\":{\"memory\":{\"limit\":9223372036854775808}}"),
			"config.json:1:63: linux.resources.memory.limit: must be "
			"-9223372036854775808 to 9223372036854775807" },
		{ LINUX("\"resources\":{\"cpu\":{\"period\":18446744073709551616}}"),
			"config.json:1:61: linux.resources.cpu.period: must be 0 to "
			"18446744073709551615" },
		{ LINUX("\"resources\":{\"cpu\":{\"idle\":2}}"),
			"config.json:1:59: linux.resources.cpu.idle: must be 0 to 1" },
		{ LINUX("\"devices\":[{\"path\":\"/d\",\"type\":\"c\",\"major\":1048576}]"),
			"config.json:1:75: linux.devices[0].major: must be 0 to 1048575" },
		{ SPEC("\"hooks\":{\"poststop\":[{\"path\":\"/h\",\"timeout\":0}]}"),
			"config.json:1:67: hooks.poststop[0].timeout: must be 1 to 2147483647" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_refused_code(cases[i].text, -ERANGE, cases[i].message);
	assert_refused(PROCESS("\"user\":{\"uid\":1.5}"),
		"config.json:1:71: process.user.uid: not a whole number");
	assert_refused(PROCESS("\"user\":{\"uid\":1e3}"),
		"config.json:1:71: process.user.uid: not a whole number");
	assert_refused(PROCESS("\"user\":{\"uid\":\"0\"}"),
		"config.json:1:71: process.user.uid: is a string, not a number");
}

static void numbers_at_their_bounds_are_taken(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };

	(void)state;
	parse(&p,
		LINUX("\"resources\":{\"memory\":{\"limit\":-9223372036854775808,"
		      "\"swap\":9223372036854775807},\"cpu\":{\"shares\":18446744073709551615,"
		      "\"period\":-0}}"));
	assert_true(p.s.linux_.resources.memory.limit == INT64_MIN);
	assert_true(p.s.linux_.resources.memory.swap == INT64_MAX);
	assert_true(p.s.linux_.resources.cpu.shares == UINT64_MAX);
	assert_true(p.s.linux_.resources.cpu.has_period);
	assert_int_equal(p.s.linux_.resources.cpu.period, 0);
}

static void fields_that_contradict_each_other_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "{\"ociVersion\":\"2.0.0\"}",
			"config.json: ociVersion: 2.0.0 is not supported (1.x is)" },
		{ "{\"ociVersion\":\"0.5.0-dev\"}",
			"config.json: ociVersion: 0.5.0-dev is not supported (1.x is)" },
		{ "{\"ociVersion\":\"\"}", "config.json: ociVersion:  is not supported (1.x is)" },
		{ SPEC("\"root\":{\"path\":\"\"}"), "config.json: root.path must not be empty" },
		{ SPEC("\"process\":{\"cwd\":\"/\"}"),
			"config.json: process.args must not be empty" },
		{ SPEC("\"process\":{\"cwd\":\"/\",\"args\":[\"\"]}"),
			"config.json: process.args[0] must not be empty" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]"),
			"config.json: process.rlimits[0]: soft limit above the hard one" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},"
			  "{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]"),
			"config.json: process.rlimits[1]: RLIMIT_CPU stands twice" },
		{ LINUX("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},"
			"{\"type\":\"pid\"}]"),
			"config.json: linux.namespaces[2]: malformed spec file: duplicated ns pid" },
		{ LINUX("\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]"),
			"config.json: user namespace mappings specified, but user namespace isn't enabled in the config" },
		{ LINUX("\"namespaces\":[{\"type\":\"user\"}]"),
			"config.json: user namespaces enabled, but no uid mappings found" },
		{ LINUX("\"timeOffsets\":{\"boottime\":{\"secs\":1}}"),
			"config.json: time namespace offsets specified, but time namespace isn't enabled in the config" },
		{ SPEC("\"hostname\":\"h\",\"linux\":{}"),
			"config.json: unable to set hostname without a private UTS namespace" },
		{ SPEC("\"domainname\":\"d\",\"linux\":{}"),
			"config.json: unable to set domainname without a private UTS namespace" },
	};
	cleanup(parsed) struct parsed p = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_refused(cases[i].text, cases[i].message);
	/* An empty name asks for nothing. */
	parse(&p, SPEC("\"hostname\":\"\",\"domainname\":\"\",\"linux\":{}"));
}

static void long_paths_are_refused(void **state)
{
	char text[5000] = "{\"ociVersion\":\"1.0.0\",\"process\":{\"args\":[\"a\"],\"cwd\":\"/";
	size_t start = strlen(text);

	(void)state;
	memset(text + start, 'x', 4095);
	memcpy(text + start + 4095, "\"}}", 4);
	assert_refused_code(text, -ENAMETOOLONG, "config.json:1:53: process.cwd: path is too long");
	memcpy(text + start + 4094, "\"}}", 4);
	{
		cleanup(parsed) struct parsed p = { 0 };

		parse(&p, text);
	}
}

/* Every prefix of a document is refused, and none is read past its end. */
static void truncated_documents_are_refused(void **state)
{
	size_t len = strlen(oci_spec_default);

	(void)state;
	/* The last byte is a newline behind the document. */
	for (size_t n = 0; n < len - 1; n += n < 200 ? 1 : 7) {
		cleanup(parsed) struct parsed p = { 0 };
		cleanup(free) char *exact = malloc(n + 1);

		assert_non_null(exact);
		memcpy(exact, oci_spec_default, n);
		exact = realloc(exact, n ? n : 1);
		assert_int_equal(
			oci_spec_parse(exact, n, "config.json", &p.a, &p.s, &p.e), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_types_are_refused_by_place),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(numbers_at_their_bounds_are_taken),
		cmocka_unit_test(fields_that_contradict_each_other_are_refused),
		cmocka_unit_test(long_paths_are_refused),
		cmocka_unit_test(truncated_documents_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
