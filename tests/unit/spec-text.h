/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec-text.h - texts of config.json for unit tests, and their parsing.
 */
#ifndef NESTBOX_UNIT_SPEC_TEXT_H
#define NESTBOX_UNIT_SPEC_TEXT_H

#include <string.h>

#include "unit.h"

#include "oci-spec.h"

/* The arena outlives the struct; both are the test's. */
struct parsed {
	struct arena a;
	struct oci_spec s;
	struct err e;
};

static inline void cleanup_parsed(struct parsed *p)
{
	arena_done(&p->a);
}

static inline void parse(struct parsed *p, const char *text)
{
	int r = oci_spec_parse(text, strlen(text), "config.json", &p->a, &p->s, &p->e);

	if (r < 0)
		print_error("%s\n", p->e.msg);
	assert_int_equal(r, 0);
}

/* A config.json with these members of the root, of process, of linux. */
#define SPEC(members) "{\"ociVersion\":\"1.2.0\"," members "}"
#define PROCESS(members) SPEC("\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]," members "}")
#define LINUX(members) SPEC("\"linux\":{" members "}")

#endif
