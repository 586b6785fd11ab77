# SPDX-License-Identifier: Apache-2.0
# The folders named in proto_USES are the only ones on this module's include path.
MODULES += proto
proto_DIR := runtime/proto
proto_USES := lib
