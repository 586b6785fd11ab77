# SPDX-License-Identifier: Apache-2.0
# The folders named in plan_USES are the only ones on this module's include path.
MODULES += plan
plan_DIR := runtime/plan
plan_USES := lib proto oci-spec
