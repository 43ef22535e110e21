# SPDX-License-Identifier: BSD-3-Clause
#
# The tests need cmocka and zlib, built for this toolchain: script/target-libraries puts them into build/libraries/NAME.
# No others are looked for. Those of the machine are for another processor, or without instrumentation, and that would
# come out as false reports.
cmake_path(SET root NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../..)
cmake_path(GET CMAKE_PARENT_LIST_FILE STEM name)
set(CMAKE_FIND_ROOT_PATH ${root}build/libraries/${name})
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Also read by CMake's own test programs and by the build of the libraries, which need none.
if(EXISTS ${CMAKE_SOURCE_DIR}/libviommu AND NOT EXISTS ${CMAKE_FIND_ROOT_PATH}/stamp)
  message(FATAL_ERROR "cmocka and zlib for '${name}' are missing: run script/target-libraries ${name}")
endif()
