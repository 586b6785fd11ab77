/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast SIZE SEED END - SIZE bytes on stdout, SIZE / 2 on stderr, and the end at once: status END,
 * or signal END - 128 where that is one. See fast-exits.py.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static char bytes[1 << 20];

static void put(int fd, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, bytes + done, size - done);

		if (n < 0)
			_exit(99);
		done += (size_t)n;
	}
}

int main(int argc, char **argv)
{
	size_t size = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long seed = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	int end = argc == 4 ? atoi(argv[3]) : 98;

	if (size > sizeof(bytes))
		return 98;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)((seed + i % 251) % 251);
	put(STDOUT_FILENO, size);
	put(STDERR_FILENO, size / 2);
	if (end > 128 && end < 128 + 64)
		kill(getpid(), end - 128);
	_exit(end);
}
