/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default-spec.c - what `nestbox spec` writes: a shell with few rights and a read-only root; and
 * the same for a user without rights, where it differs in mounts and namespaces.
 */
#include <errno.h>
#include <stdio.h>

#include "oci-spec.h"

#define UP_TO_GID \
	"{\n" \
	"  \"ociVersion\": \"1.2.0\",\n" \
	"  \"process\": {\n" \
	"    \"terminal\": true,\n" \
	"    \"user\": { \"uid\": 0, \"gid\": 0 },\n" \
	"    \"args\": [\"sh\"],\n" \
	"    \"env\": [\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", \"TERM=xterm\"],\n" \
	"    \"cwd\": \"/\",\n" \
	"    \"capabilities\": {\n" \
	"      \"bounding\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n" \
	"      \"effective\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n" \
	"      \"permitted\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]\n" \
	"    },\n" \
	"    \"rlimits\": [\n" \
	"      { \"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024 }\n" \
	"    ],\n" \
	"    \"noNewPrivileges\": true\n" \
	"  },\n" \
	"  \"root\": { \"path\": \"rootfs\", \"readonly\": true },\n" \
	"  \"hostname\": \"nestbox\",\n" \
	"  \"mounts\": [\n" \
	"    { \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" },\n" \
	"    {\n" \
	"      \"destination\": \"/dev\",\n" \
	"      \"type\": \"tmpfs\",\n" \
	"      \"source\": \"tmpfs\",\n" \
	"      \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]\n" \
	"    },\n" \
	"    {\n" \
	"      \"destination\": \"/dev/pts\",\n" \
	"      \"type\": \"devpts\",\n" \
	"      \"source\": \"devpts\",\n" \
	"      \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\""

#define UP_TO_SYS \
	"]\n" \
	"    },\n" \
	"    {\n" \
	"      \"destination\": \"/dev/shm\",\n" \
	"      \"type\": \"tmpfs\",\n" \
	"      \"source\": \"shm\",\n" \
	"      \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"]\n" \
	"    },\n" \
	"    {\n" \
	"      \"destination\": \"/dev/mqueue\",\n" \
	"      \"type\": \"mqueue\",\n" \
	"      \"source\": \"mqueue\",\n" \
	"      \"options\": [\"nosuid\", \"noexec\", \"nodev\"]\n" \
	"    },\n"

#define OWN_SYS \
	"    {\n" \
	"      \"destination\": \"/sys\",\n" \
	"      \"type\": \"sysfs\",\n" \
	"      \"source\": \"sysfs\",\n" \
	"      \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]\n" \
	"    },\n"

#define CGROUP_TO_LINUX \
	"    {\n" \
	"      \"destination\": \"/sys/fs/cgroup\",\n" \
	"      \"type\": \"cgroup\",\n" \
	"      \"source\": \"cgroup\",\n" \
	"      \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]\n" \
	"    }\n" \
	"  ],\n" \
	"  \"linux\": {\n"

#define RESOURCES \
	"    \"resources\": {\n" \
	"      \"devices\": [\n" \
	"        { \"allow\": false, \"access\": \"rwm\" }\n" \
	"      ]\n" \
	"    },\n"

#define PATHS \
	"    \"maskedPaths\": [\"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\", \"/proc/latency_stats\", \"/proc/timer_list\", \"/proc/timer_stats\", \"/proc/sched_debug\", \"/sys/firmware\", \"/proc/scsi\"],\n" \
	"    \"readonlyPaths\": [\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"]\n" \
	"  }\n" \
	"}\n"

const char oci_spec_default[] = UP_TO_GID ", \"gid=5\"" UP_TO_SYS OWN_SYS CGROUP_TO_LINUX RESOURCES
					  "    \"namespaces\": [\n"
					  "      { \"type\": \"pid\" },\n"
					  "      { \"type\": \"network\" },\n"
					  "      { \"type\": \"ipc\" },\n"
					  "      { \"type\": \"uts\" },\n"
					  "      { \"type\": \"mount\" },\n"
					  "      { \"type\": \"cgroup\" }\n"
					  "    ],\n" PATHS;

/* A format: uid and gid on the host. */
#define ROOTLESS \
	UP_TO_GID UP_TO_SYS \
		"    {\n" \
		"      \"destination\": \"/sys\",\n" \
		"      \"type\": \"none\",\n" \
		"      \"source\": \"/sys\",\n" \
		"      \"options\": [\"rbind\", \"nosuid\", \"noexec\", \"nodev\", \"ro\"]\n" \
		"    },\n" CGROUP_TO_LINUX \
		"    \"uidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n" \
		"    \"gidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n" \
		"    \"namespaces\": [\n" \
		"      { \"type\": \"pid\" },\n" \
		"      { \"type\": \"ipc\" },\n" \
		"      { \"type\": \"uts\" },\n" \
		"      { \"type\": \"mount\" },\n" \
		"      { \"type\": \"cgroup\" },\n" \
		"      { \"type\": \"user\" }\n" \
		"    ],\n" PATHS

int oci_spec_rootless(char *buf, size_t size, uint32_t uid, uint32_t gid)
{
	int n = snprintf(buf, size, ROOTLESS, uid, gid);

	return n > 0 && (size_t)n < size ? 0 : -ENOSPC;
}
