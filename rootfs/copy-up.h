/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy-up.h - copies a folder's contents into a new mount (mount option "tmpcopyup").
 */
#ifndef NESTBOX_COPY_UP_H
#define NESTBOX_COPY_UP_H

#include "cleanup.h"

/* Copies what is in the folder `from` (borrowed, open for reading) into `to` (borrowed; O_PATH will
 * do): files, folders, links, with owners and modes. 0 or a negative errno. */
warn_unused int copy_up(int from, int to);

#endif
