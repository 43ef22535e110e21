# SPDX-License-Identifier: BSD-3-Clause
# ThreadSanitizer: data races.
set(CMAKE_C_COMPILER clang)
set(CMAKE_C_FLAGS_INIT "-fsanitize=thread -fno-sanitize-recover=all -fno-omit-frame-pointer")
include(${CMAKE_CURRENT_LIST_DIR}/libraries.cmake)
