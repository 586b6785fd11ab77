# SPDX-License-Identifier: Apache-2.0
# The folders named in fsd_USES are the only ones on this module's include path.
MODULES += fsd
fsd_DIR := runtime/fsd
fsd_USES := lib proto
