/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ranges.c - lists of numbers as the kernel writes them; see ranges.h.
 */
#include <stdlib.h>

#include "ranges.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool ranges_next(const char **at, unsigned long *ret_from, unsigned long *ret_to)
{
	char *end = NULL;

	if (!is_digit(**at))
		return false;
	*ret_from = *ret_to = strtoul(*at, &end, 10);
	if (end[0] == '-' && is_digit(end[1]))
		*ret_to = strtoul(end + 1, &end, 10);
	*at = end[0] == ',' && is_digit(end[1]) ? end + 1 : end;
	return true;
}
