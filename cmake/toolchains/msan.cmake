# SPDX-License-Identifier: BSD-3-Clause
# MemorySanitizer: reads of memory that nobody has written. Every library but libc has to be built with it.
set(CMAKE_C_COMPILER clang)
set(CMAKE_C_FLAGS_INIT
  "-fsanitize=memory -fsanitize-memory-track-origins -fno-sanitize-recover=all -fno-omit-frame-pointer")
include(${CMAKE_CURRENT_LIST_DIR}/libraries.cmake)
