/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns.h - 127.0.0.11:53 in the container: questions go to the host, which asks there in its own
 * network namespace of the container.
 */
#ifndef NESTBOX_DNS_H
#define NESTBOX_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"

/* Listens in the network namespace ns_fd (borrowed), UDP and TCP, and sends what is asked over the
 * connection fd (borrowed) until dns_forget(). One that came before is given up. */
warn_unused int dns_begin(struct loop *loop, int ns_fd, int fd, struct err *e);

/* An answer of the host (payload of ANSWER) for whoever asked. -EBADMSG. */
warn_unused int dns_answer(int fd, const void *p, size_t len);

/* The connection is over. */
void dns_forget(int fd);

#endif
