/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the command line: global options, verbs, their option tables, and how errors are told.
 *
 * A verb is a file verb-NAME.c with its options in static variables. Names, meanings and exit codes
 * are runc's.
 */
#ifndef NESTBOX_CLI_H
#define NESTBOX_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"
#include "err.h"

#define CLI_DEFAULT_ROOT "/run/nestbox"
#define CLI_LIST_MAX 16384 /* times that an option may be repeated */
#define CLI_OPTIONS_MAX 48 /* in one table */

struct cli_globals {
	const char *root, *log, *log_format, *rootless;
	bool debug, systemd_cgroup;
	bool version, help;
};

enum cli_kind {
	CLI_FLAG, /* bool: --name, --name=true, --name=false */
	CLI_TEXT, /* const char * */
	CLI_LIST, /* struct cli_list: may be repeated */
};

struct cli_list {
	const char **v; /* ends with NULL; lives as long as the program */
	size_t n;
};

struct cli_option {
	const char *name; /* NULL ends a table */
	char letter; /* '\0' = none */
	enum cli_kind kind;
	void *to;
	const char *value; /* what stands for the value in the help text */
	const char *help;
	/* Given at all, it is refused by name: accepted from callers' habit, not carried out. */
	bool refused;
};

struct cli_verb {
	const char *name;
	const char *operands; /* for the help text: "CONTAINER-ID" */
	const char *summary;
	const struct cli_option *options;
	int min_operands, max_operands; /* max -1 = any number */
	bool options_first; /* what follows the first operand is not ours to read */
	bool own; /* runc has none of this name */
	int failure; /* exit status on error */
	/* The exit status, or a negative errno with *e. */
	int (*run)(const struct cli_globals *g, int argc, char **argv, struct err *e);
};

extern const struct cli_verb verb_check, verb_create, verb_delete, verb_events, verb_exec,
	verb_features, verb_kill, verb_list, verb_pause, verb_ps, verb_resume, verb_run, verb_spec,
	verb_start, verb_state, verb_template, verb_trace, verb_update;

/* Reads options into their places; *ret_first is the index of the first operand. argv is permuted
 * unless options_first. */
warn_unused int cli_parse(const struct cli_option *options, bool options_first, int argc,
	char **argv, int *ret_first, struct err *e);

/* Prints a table of options as help text. */
void cli_print_options(const struct cli_option *options);

/* Tells an error once: on stderr, and in the log file as its format wants. */
void cli_report(const struct cli_globals *g, const struct err *e);

/* Warnings, and with --debug debug messages, go into the log file, or to stderr where there is
 * none. Keeps g. */
void cli_log(const struct cli_globals *g);

/* Writes a whole text to stdout; a negative errno when that fails. */
warn_unused int cli_print(const char *text, struct err *e);

/* --preserve-fds: NULL and "0" pass; a number that asks for some is refused, as is no number. */
warn_unused int cli_check_preserve_fds(const char *text, struct err *e);

/* "KILL", "SIGKILL", "9", "RTMIN+1"; -EINVAL. */
warn_unused int cli_signal_number(const char *text, struct err *e);

#endif
