/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket-key.h - the secret by which the VMM knows guest init from any other process of the guest.
 *
 * A container's clients of bound sockets come by vsock, as could whatever a process of that or of
 * another container sends there itself. So each container has a key of its own, random, made by the
 * CLI: the VMM has it from its plan, or with the fs server of a container that joins
 * (vmm-ctl.h); guest init from the container's plan, which comes after a template's resume; it is
 * the first thing of such a connection (socket-link.h). No program of a container is given it (but
 * see "Known weaknesses" in docs/threat-model.md).
 */
#ifndef NESTBOX_SOCKET_KEY_H
#define NESTBOX_SOCKET_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define SOCKET_KEY 16 /* bytes */

struct socket_key {
	uint8_t byte[SOCKET_KEY]; /* all zero = there is none, and nothing fits */
};

/* Whether the key that somebody brought is the one that it has to be; takes the same time whatever
 * they are. */
warn_unused static inline bool socket_key_fits(
	const struct socket_key *wanted, const struct socket_key *brought)
{
	volatile uint8_t any = 0, differs = 0;

	for (size_t i = 0; i < SOCKET_KEY; i++) {
		any |= wanted->byte[i];
		differs |= wanted->byte[i] ^ brought->byte[i];
	}
	return any && !differs;
}

#endif
