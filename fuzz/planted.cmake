# SPDX-License-Identifier: BSD-3-Clause

# viommu_plant(BUG OUT): makes a copy of libviommu/ with fuzz/planted/BUG.patch applied, and sets OUT to its folder.
# Only files that differ are written, so that going from one bug to the next builds little.
function(viommu_plant bug out)
  find_program(VIOMMU_PATCH patch REQUIRED)
  set(patch_file ${PROJECT_SOURCE_DIR}/fuzz/planted/${bug}.patch)
  if(NOT EXISTS ${patch_file})
    message(FATAL_ERROR "VIOMMU_PLANTED_BUG: there is no ${patch_file}")
  endif()
  set(fresh ${PROJECT_BINARY_DIR}/planted.fresh)
  set(folder ${PROJECT_BINARY_DIR}/planted)
  file(REMOVE_RECURSE ${fresh})
  file(COPY ${PROJECT_SOURCE_DIR}/libviommu DESTINATION ${fresh})
  execute_process(COMMAND ${VIOMMU_PATCH} --silent --strip=1 --fuzz=0 --directory=${fresh} --input=${patch_file}
    COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB_RECURSE names LIST_DIRECTORIES false RELATIVE ${fresh} ${fresh}/*.c ${fresh}/*.h)
  foreach(name IN LISTS names)
    cmake_path(GET name PARENT_PATH parent)
    file(MAKE_DIRECTORY ${folder}/${parent})
    file(COPY_FILE ${fresh}/${name} ${folder}/${name} ONLY_IF_DIFFERENT)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name})
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${patch_file})
  set(${out} ${folder}/libviommu PARENT_SCOPE)
endfunction()
