# SPDX-License-Identifier: Apache-2.0
# The folders named in ctr_USES are the only ones on this module's include path.
MODULES += ctr
ctr_DIR := runtime/ctr
ctr_USES := lib proto plan host oci-spec
