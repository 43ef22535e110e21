# SPDX-License-Identifier: BSD-3-Clause

# Writes to OUTPUT the ```c block that follows the line <!-- example: EXAMPLE --> in DOCUMENT, a path
# below ROOT, with a #line directive, so that the compiler's messages point there.
cmake_minimum_required(VERSION 3.25)

if(NOT EXISTS "${ROOT}/${DOCUMENT}")
  message(FATAL_ERROR "${DOCUMENT} does not exist; the example '${EXAMPLE}' is taken from it")
endif()
file(READ "${ROOT}/${DOCUMENT}" text)

set(marker "\n<!-- example: ${EXAMPLE} -->\n")
set(fence "```c\n")
string(FIND "\n${text}" "${marker}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${DOCUMENT}: no line '<!-- example: ${EXAMPLE} -->'")
endif()
string(LENGTH "${marker}" skip)
math(EXPR start "${at} + ${skip} - 1")
string(SUBSTRING "${text}" ${start} -1 block)
string(FIND "${block}" "${fence}" at)
if(NOT at EQUAL 0)
  message(FATAL_ERROR "${DOCUMENT}: the line after '<!-- example: ${EXAMPLE} -->' is not ```c")
endif()
string(LENGTH "${fence}" skip)
string(SUBSTRING "${block}" ${skip} -1 block)
string(FIND "${block}" "\n```\n" end)
if(end EQUAL -1)
  message(FATAL_ERROR "${DOCUMENT}: the block of example '${EXAMPLE}' has no closing ```")
endif()
math(EXPR end "${end} + 1")
string(SUBSTRING "${block}" 0 ${end} block)

math(EXPR start "${start} + ${skip}")
string(SUBSTRING "${text}" 0 ${start} before)
string(REGEX REPLACE "[^\n]" "" newlines "${before}")
string(LENGTH "${newlines}" line)
math(EXPR line "${line} + 1")
file(WRITE "${OUTPUT}" "#line ${line} \"${DOCUMENT}\"\n${block}")
