# SPDX-License-Identifier: Apache-2.0
# The folders named in monitor_USES are the only ones on this module's include path.
MODULES += monitor
monitor_DIR := runtime/monitor
monitor_USES := lib proto
