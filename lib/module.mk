# SPDX-License-Identifier: Apache-2.0
# The folders named in lib_USES are the only ones on this module's include path.
MODULES += lib
lib_DIR := lib
lib_USES :=
