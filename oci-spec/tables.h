/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.h - the decoding tables of config.json, and the short words that they are written in.
 */
#ifndef NESTBOX_OCI_TABLES_H
#define NESTBOX_OCI_TABLES_H

#include <stddef.h>

#include "decode.h"
#include "oci-spec.h"

/* F("key", TYPE, struct, member): the plain case; more as designated initialisers behind it. */
#define F(key_, type_, struct_, member, ...) \
	{ \
		.key = key_, .type = DECODE_##type_, .offset = offsetof(struct struct_, member), \
		__VA_ARGS__ \
	}
/* Does not compile for a member at offset 0, which would mean "none". */
#define HAS(struct_, member) \
	.has = offsetof(struct struct_, member) * \
		sizeof(char[offsetof(struct struct_, member) > 0 ? 1 : -1])
#define RANGE(min_, max_) .min = (min_), .max = (max_)
#define REQUIRED .required = true
#define END \
	{ \
		.key = NULL \
	}
/* An array of objects. */
#define LIST(key_, struct_, member, element, table_, ...) \
	F(key_, OBJECTS, struct_, member, .table = (table_), .size = sizeof(struct element), \
		__VA_ARGS__)

extern const struct decode_field oci_process_table[];
extern const struct decode_field oci_linux_table[];
extern const struct decode_field oci_resources_table[];
extern const struct decode_field oci_idmap_table[];

#endif
