# SPDX-License-Identifier: BSD-3-Clause

# What all targets of the project have in common.
function(viommu_target target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11
    C_STANDARD_REQUIRED ON
    C_EXTENSIONS OFF
    CXX_STANDARD 17
    CXX_STANDARD_REQUIRED ON
    CXX_EXTENSIONS OFF
    COMPILE_WARNING_AS_ERROR ${VIOMMU_WERROR})
  if(VIOMMU_WARNINGS)
    # Not -Wshadow in C++: to it a function that is named like a struct hides a constructor.
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion
      $<$<COMPILE_LANGUAGE:C>:-Wshadow -Wstrict-prototypes>)
  endif()
endfunction()
