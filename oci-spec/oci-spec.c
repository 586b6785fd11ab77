/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci-spec.c - config.json as one struct: the root object and what must hold between fields.
 *
 * Reads runtime-spec 1.2: config.md, config-linux.md (table-linux.c), config-vm.md.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "oci-spec.h"
#include "tables.h"

static const struct decode_field mount_table[] = {
	F("destination", STR, oci_mount, destination, REQUIRED), /* the plan makes it absolute */
	F("type", STR, oci_mount, type),
	F("source", STR, oci_mount, source),
	F("options", STRV, oci_mount, options),
	LIST("uidMappings", oci_mount, uid_mappings, oci_idmap, oci_idmap_table),
	LIST("gidMappings", oci_mount, gid_mappings, oci_idmap, oci_idmap_table),
	END,
};

static const struct decode_field hook_table[] = {
	F("path", PATH, oci_hook, path, REQUIRED),
	F("args", STRV, oci_hook, args),
	F("env", STRV, oci_hook, env, HAS(oci_hook, has_env)),
	F("timeout", I32, oci_hook, timeout, HAS(oci_hook, has_timeout), RANGE(1, INT32_MAX)),
	END,
};

#define HOOKS(key, member) LIST(key, oci_hooks, member, oci_hook, hook_table)
static const struct decode_field hooks_table[] = {
	HOOKS("prestart", prestart),
	HOOKS("createRuntime", create_runtime),
	HOOKS("createContainer", create_container),
	HOOKS("startContainer", start_container),
	HOOKS("poststart", poststart),
	HOOKS("poststop", poststop),
	END,
};

static const struct decode_field root_table[] = {
	F("path", STR, oci_spec, root_path, REQUIRED),
	F("readonly", BOOL, oci_spec, root_readonly),
	END,
};

static const struct decode_field vm_hypervisor_table[] = {
	F("path", PATH, oci_vm, hypervisor_path, REQUIRED),
	END,
};

static const struct decode_field vm_kernel_table[] = {
	F("path", PATH, oci_vm, kernel_path), /* absent: nestbox's own, with the parameters below */
	F("parameters", STRV, oci_vm, kernel_parameters),
	F("initrd", PATH, oci_vm, initrd_path),
	END,
};

static const struct decode_field vm_image_table[] = {
	F("path", PATH, oci_vm, image_path, REQUIRED),
	F("format", STR, oci_vm, image_format), /* absent: "raw" */
	END,
};

/* runtime-spec 1.3, config-vm.md. */
static const struct decode_field vm_hardware_table[] = {
	F("dtdevs", JSON, oci_vm, dtdevs),
	F("iomems", JSON, oci_vm, iomems),
	F("irqs", JSON, oci_vm, irqs),
	F("vcpus", U32, oci_vm, vcpus, HAS(oci_vm, has_vcpus)),
	F("memory", U64, oci_vm, memory, HAS(oci_vm, has_memory)),
	END,
};

static const struct decode_field vm_table[] = {
	{ .key = "hypervisor", .type = DECODE_OBJECT, .table = vm_hypervisor_table },
	{ .key = "kernel", .type = DECODE_OBJECT, .table = vm_kernel_table },
	{ .key = "image", .type = DECODE_OBJECT, .table = vm_image_table },
	{ .key = "hwConfig", .type = DECODE_OBJECT, .table = vm_hardware_table },
	END,
};

static const struct decode_field spec_table[] = {
	F("ociVersion", STR, oci_spec, version, REQUIRED),
	{ .key = "root", .type = DECODE_OBJECT, .table = root_table, HAS(oci_spec, has_root) },
	F("process", OBJECT, oci_spec, process, .table = oci_process_table,
		HAS(oci_spec, has_process)),
	F("hostname", STR, oci_spec, hostname),
	F("domainname", STR, oci_spec, domainname),
	LIST("mounts", oci_spec, mounts, oci_mount, mount_table),
	F("hooks", OBJECT, oci_spec, hooks, .table = hooks_table),
	F("annotations", MAP, oci_spec, annotations),
	F("linux", OBJECT, oci_spec, linux_, .table = oci_linux_table, HAS(oci_spec, has_linux)),
	F("vm", OBJECT, oci_spec, vm, .table = vm_table, HAS(oci_spec, has_vm)),
	END,
};

/* ---- what must hold between fields --------------------------------------------------------- */

static int check_process(
	const char *name, const char *prefix, const struct oci_process *p, struct err *e)
{
	if (p->args.n == 0)
		return err_set(e, -EINVAL, "%s: %sargs must not be empty", name, prefix);
	if (!*p->args.v[0])
		return err_set(e, -EINVAL, "%s: %sargs[0] must not be empty", name, prefix);
	for (size_t i = 0; i < p->n_rlimits; i++) {
		if (p->rlimits[i].soft > p->rlimits[i].hard)
			return err_set(e, -EINVAL,
				"%s: %srlimits[%zu]: soft limit above the hard one", name, prefix,
				i);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(p->rlimits[i].type, p->rlimits[j].type) == 0)
				return err_set(e, -EINVAL, "%s: %srlimits[%zu]: %s stands twice",
					name, prefix, i, p->rlimits[i].type);
		}
	}
	return 0;
}

static bool has_namespace(const struct oci_linux *l, const char *type)
{
	for (size_t i = 0; i < l->n_namespaces; i++) {
		if (strcmp(l->namespaces[i].type, type) == 0)
			return true;
	}
	return false;
}

/* The words are runc's where it has some. */
static int check_namespaces(const char *name, const struct oci_spec *s, struct err *e)
{
	const struct oci_linux *l = &s->linux_;
	bool user = has_namespace(l, "user");
	const char *wrong = NULL;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(l->namespaces[i].type, l->namespaces[j].type) == 0)
				return err_set(e, -EINVAL,
					"%s: linux.namespaces[%zu]: malformed spec file: "
					"duplicated ns %s",
					name, i, l->namespaces[i].type);
		}
	}
	if ((l->n_uid_mappings || l->n_gid_mappings) && !user)
		wrong = "user namespace mappings specified, but user namespace isn't enabled in "
			"the config";
	else if (user && !l->n_uid_mappings)
		wrong = "user namespaces enabled, but no uid mappings found";
	else if (user && !l->n_gid_mappings)
		wrong = "user namespaces enabled, but no gid mappings found";
	else if ((l->has_monotonic || l->has_boottime) && !has_namespace(l, "time"))
		wrong = "time namespace offsets specified, but time namespace isn't enabled in the "
			"config";
	else if (s->hostname && *s->hostname && s->has_linux && !has_namespace(l, "uts"))
		wrong = "unable to set hostname without a private UTS namespace";
	else if (s->domainname && *s->domainname && s->has_linux && !has_namespace(l, "uts"))
		wrong = "unable to set domainname without a private UTS namespace";
	return wrong ? err_set(e, -EINVAL, "%s: %s", name, wrong) : 0;
}

static int check_spec(const char *name, const struct oci_spec *s, struct err *e)
{
	int r = 0;

	if (strncmp(s->version, "1.", 2) != 0)
		return err_set(e, -EINVAL, "%s: ociVersion: %.32s is not supported (1.x is)", name,
			s->version);
	if (s->has_root && !*s->root_path)
		return err_set(e, -EINVAL, "%s: root.path must not be empty", name);
	if (s->has_process)
		r = check_process(name, "process.", &s->process, e);
	return r < 0 ? r : check_namespaces(name, s, e);
}

/* ---- public -------------------------------------------------------------------------------- */

int oci_spec_parse(const char *data, size_t len, const char *name, struct arena *a,
	struct oci_spec *ret, struct err *e)
{
	const struct decode_source source = { .data = data, .name = name, .arena = a };
	struct oci_spec s = { 0 };
	struct json *root = NULL;
	int r = json_parse(data, len, name, a, &root, e);

	if (r == 0)
		r = decode_object(&source, root, spec_table, &s, e);
	if (r == 0)
		r = check_spec(name, &s, e);
	if (r == 0)
		*ret = s;
	return r;
}

int oci_spec_parse_process(const char *data, size_t len, const char *name, struct arena *a,
	struct oci_process *ret, struct err *e)
{
	const struct decode_source source = { .data = data, .name = name, .arena = a };
	struct oci_process p = { 0 };
	struct json *root = NULL;
	int r = json_parse(data, len, name, a, &root, e);

	if (r == 0)
		r = decode_object(&source, root, oci_process_table, &p, e);
	if (r == 0)
		r = check_process(name, "", &p, e);
	if (r == 0)
		*ret = p;
	return r;
}

int oci_spec_parse_resources(const char *data, size_t len, const char *name, struct arena *a,
	struct oci_resources *ret, struct err *e)
{
	const struct decode_source source = { .data = data, .name = name, .arena = a };
	struct oci_resources res = { 0 };
	struct json *root = NULL;
	int r = json_parse(data, len, name, a, &root, e);

	if (r == 0)
		r = decode_object(&source, root, oci_resources_table, &res, e);
	if (r == 0)
		*ret = res;
	return r;
}
