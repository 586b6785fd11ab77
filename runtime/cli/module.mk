# SPDX-License-Identifier: Apache-2.0
# The folders named in cli_USES are the only ones on this module's include path.
MODULES += cli
cli_DIR := runtime/cli
cli_USES := lib ctr host oci-spec
