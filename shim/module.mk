# SPDX-License-Identifier: Apache-2.0
# The folders named in shim_USES are the only ones on this module's include path, beside what protoc-c
# makes of shim-api.proto.
MODULES += shim
shim_DIR := shim
shim_USES := lib proto oci-spec
