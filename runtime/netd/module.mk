# SPDX-License-Identifier: Apache-2.0
# The folders named in netd_USES are the only ones on this module's include path.
MODULES += netd
netd_DIR := runtime/netd
netd_USES := lib proto
