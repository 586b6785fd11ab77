/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.c - the socket of a shim; see address.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "address.h"

#define SOCKET_DIR "/run/containerd/s"
#define BACKLOG 128
#define TRIES 3

/* ---- SHA-256 ------------------------------------------------------------------------------- */

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2). */
static const uint32_t k[64] = { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
	0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
	0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
	0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
	0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint32_t word_at(const uint8_t b[4])
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void sha256_block(uint32_t h[8], const uint8_t block[64])
{
	uint32_t w[64], v[8];

	for (unsigned t = 0; t < 16; t++)
		w[t] = word_at(block + (size_t)4 * t);
	for (unsigned t = 16; t < 64; t++) {
		uint32_t a = w[t - 15], b = w[t - 2];

		w[t] = w[t - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[t - 7] +
			(rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	memcpy(v, h, sizeof(v));
	for (unsigned t = 0; t < 64; t++) {
		uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
			((v[4] & v[5]) ^ (~v[4] & v[6])) + k[t] + w[t];
		uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
			((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (unsigned i = 0; i < 8; i++)
		h[i] += v[i];
}

void sha256(const void *data, size_t len, uint8_t ret[SHA256_BYTES])
{
	uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		0x1f83d9ab, 0x5be0cd19 };
	const uint8_t *p = data;
	uint8_t tail[128] = { 0 };
	size_t left = len % 64, padded = left < 56 ? 64 : 128;

	for (size_t at = 0; at + 64 <= len; at += 64)
		sha256_block(h, p + at);
	memcpy(tail, p + (len - left), left);
	tail[left] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		tail[padded - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
	for (size_t at = 0; at < padded; at += 64)
		sha256_block(h, tail + at);
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		ret[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

/* ---- names --------------------------------------------------------------------------------- */

void address_of(const char *containerd, const char *ns, const char *id, char ret[ADDRESS_MAX])
{
	uint8_t hash[SHA256_BYTES];
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s/%s/%s", containerd, ns, id);

	sha256(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1, hash);
	n = snprintf(ret, ADDRESS_MAX, "unix://%s/", SOCKET_DIR);
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		n += snprintf(ret + n, ADDRESS_MAX - (size_t)n, "%02x", hash[i]);
}

const char *address_path(const char *address)
{
	return strncmp(address, "unix://", 7) == 0 ? address + 7 : address;
}

/* ---- sockets ------------------------------------------------------------------------------- */

static int new_socket(const char *address, struct sockaddr_un *ret)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", address_path(address));
	return fd < 0 ? -errno : fd;
}

/* A backlog that is full is somebody, too. */
static bool answers(const char *address)
{
	struct sockaddr_un sun;
	cleanup(close) int fd = new_socket(address, &sun);

	return fd >= 0 &&
		(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 || errno == EAGAIN);
}

void address_remove_stale(const char *address)
{
	if (strncmp(address, "unix://" SOCKET_DIR "/", sizeof("unix://" SOCKET_DIR)) == 0 &&
		!answers(address))
		(void)unlink(address_path(address));
}

int address_listen(const char *address, struct err *e)
{
	struct sockaddr_un sun;
	cleanup(close) int fd = new_socket(address, &sun);

	if (fd < 0)
		return err_sys(e, fd, "socket");
	if ((mkdir("/run/containerd", 0711) < 0 && errno != EEXIST) ||
		(mkdir(SOCKET_DIR, 0700) < 0 && errno != EEXIST))
		return err_sys(e, -errno, SOCKET_DIR);
	for (unsigned i = 0; i < TRIES; i++) {
		mode_t old = umask(0177);
		int r = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;

		(void)umask(old);
		if (r == 0 && listen(fd, BACKLOG) == 0)
			return take_fd(&fd);
		if (r != -EADDRINUSE)
			return err_sys(e, r < 0 ? r : -errno, "listen at %s", sun.sun_path);
		if (answers(address))
			return err_set(e, -EEXIST, "%s is in use", sun.sun_path);
		(void)unlink(sun.sun_path);
	}
	return err_set(e, -EADDRINUSE, "%s is in use", sun.sun_path);
}
