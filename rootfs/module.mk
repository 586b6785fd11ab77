# SPDX-License-Identifier: Apache-2.0
# The folders named in rootfs_USES are the only ones on this module's include path.
MODULES += rootfs
rootfs_DIR := rootfs
rootfs_USES := lib proto
