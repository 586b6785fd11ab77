/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h - the socket of a shim: its name by namespace and group, and who listens there.
 */
#ifndef NESTBOX_SHIM_ADDRESS_H
#define NESTBOX_SHIM_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"

#define SHA256_BYTES 32
#define ADDRESS_MAX 107 /* "unix://" and a path that fits into a socket's address */

/* FIPS 180-4, 6.2. */
void sha256(const void *data, size_t len, uint8_t ret[SHA256_BYTES]);

/* unix:///run/containerd/s/HASH, the hash of containerd's own address, the namespace and the id of
 * container or group: as other shims name theirs. */
void address_of(const char *containerd, const char *ns, const char *id, char ret[ADDRESS_MAX]);

/* The path in an address; the address itself where it is none of unix://. */
const char *address_path(const char *address);

/* Listens there: an fd (owned by the caller); -EEXIST when somebody does already. A socket that was
 * left by a shim that is gone is replaced. */
warn_unused int address_listen(const char *address, struct err *e);

/* Removes the socket if nobody listens there any more. */
void address_remove_stale(const char *address);

#endif
