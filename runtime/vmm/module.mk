# SPDX-License-Identifier: Apache-2.0
# The folders named in vmm_USES are the only ones on this module's include path.
MODULES += vmm
vmm_DIR := runtime/vmm
vmm_USES := lib proto virtq
