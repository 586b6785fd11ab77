# SPDX-License-Identifier: Apache-2.0
# The folders named in host_USES are the only ones on this module's include path.
MODULES += host
host_DIR := runtime/host
host_USES := lib
