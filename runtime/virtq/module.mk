# SPDX-License-Identifier: Apache-2.0
# The folders named in virtq_USES are the only ones on this module's include path.
MODULES += virtq
virtq_DIR := runtime/virtq
virtq_USES := lib
