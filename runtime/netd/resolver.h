/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.h - questions of the guest to 127.0.0.11:53, asked here in its place.
 *
 * Docker's engine answers names at 127.0.0.11 in the network namespace of a container, by rules
 * that hold in that namespace. So we ask from there, and the guest's init asks us.
 */
#ifndef NESTBOX_RESOLVER_H
#define NESTBOX_RESOLVER_H

#include <stdbool.h>

#include "err.h"
#include "loop.h"

/* Opens what can not be opened in the jail. */
warn_unused int resolver_init(struct loop *loop, const char *id, int nl, struct err *e);

/* Looks whether somebody answers there, and if so has the guest ask; false when nobody does. */
bool resolver_look(void);

/* Gives back what was changed in the namespace. */
void resolver_done(void);

#endif
