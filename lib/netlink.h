/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.h - requests to the kernel's network configuration (rtnetlink(7)), on both sides of a
 * VM: messages are built in a fixed buffer, sent, and answered within a deadline.
 */
#ifndef NESTBOX_NETLINK_H
#define NESTBOX_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define NL_MESSAGE_MAX 4096

/* A message under construction; past its end `error` is set and nl_call() gives it back. */
struct nl_message {
	union {
		struct nlmsghdr head;
		uint8_t bytes[NL_MESSAGE_MAX];
	};
	int error;
};

/* A socket of NETLINK_ROUTE in the network namespace of the caller (owned by the caller); groups
 * are bits of RTMGRP_*. */
warn_unused int nl_open(uint32_t groups);

/* Starts a message with the family's header. */
void nl_begin(struct nl_message *m, uint16_t type, uint16_t flags, const void *header, size_t len);

void nl_put(struct nl_message *m, uint16_t attribute, const void *data, size_t len);
void nl_put_u32(struct nl_message *m, uint16_t attribute, uint32_t value);
void nl_put_str(struct nl_message *m, uint16_t attribute, const char *text);
/* What is put between these lies in one attribute. */
size_t nl_nest(struct nl_message *m, uint16_t attribute);
void nl_nest_end(struct nl_message *m, size_t at);

/* Sends it and waits for the kernel's word: 0 or its negative errno; -ETIMEDOUT. */
warn_unused int nl_call(int fd, struct nl_message *m);

/* Sends a dump request; each message of the answer goes to fn, in order. -EINTR when what was read
 * changed meanwhile: to be done again. */
typedef void (*nl_fn)(void *arg, const struct nlmsghdr *h);
warn_unused int nl_dump(int fd, struct nl_message *m, nl_fn fn, void *arg);

/* The family's header in a message, the bytes of an attribute: NLMSG_DATA() and RTA_DATA() of the
 * kernel's headers cast const away. */
static inline const void *nl_header(const struct nlmsghdr *h)
{
	return (const uint8_t *)h + NLMSG_HDRLEN;
}

static inline const void *nl_data(const struct rtattr *a)
{
	return (const uint8_t *)a + RTA_LENGTH(0);
}

/* The attributes behind a message's header of header_len bytes, by type: those below n; NULL where
 * there is none. */
void nl_attributes(
	const struct nlmsghdr *h, size_t header_len, const struct rtattr **ret, size_t n);
/* The same of those within one. */
void nl_nested(const struct rtattr *a, const struct rtattr **ret, size_t n);

/* Copies an attribute's bytes, if there are as many; else ret is left alone. */
void nl_get(const struct rtattr *a, void *ret, size_t len);
/* The same for a text, cut to what has room with its NUL. */
void nl_get_text(const struct rtattr *a, char *ret, size_t size);
uint32_t nl_get_u32(const struct rtattr *a); /* 0 = there is none */

#endif
