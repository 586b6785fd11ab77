# SPDX-License-Identifier: Apache-2.0
# The folders named in oci-spec_USES are the only ones on this module's include path.
MODULES += oci-spec
oci-spec_DIR := oci-spec
oci-spec_USES := lib
