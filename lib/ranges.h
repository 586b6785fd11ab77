/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ranges.h - lists of numbers as the kernel writes them: "0-2,5" (cpuset(7), "List format").
 */
#ifndef NESTBOX_RANGES_H
#define NESTBOX_RANGES_H

#include <stdbool.h>

/* Takes the next number or range off the list: 5 is 5 to 5. false at its end, or at what does not
 * belong there: *at is then "" or stands before it. from may be larger than to. */
bool ranges_next(const char **at, unsigned long *ret_from, unsigned long *ret_to);

#endif
