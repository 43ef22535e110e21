# SPDX-License-Identifier: BSD-3-Clause
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/viommu)

install(TARGETS viommu EXPORT viommu-targets FILE_SET HEADERS)
install(EXPORT viommu-targets NAMESPACE viommu:: DESTINATION ${package_dir} FILE viommu-targets.cmake)

if(VIOMMU_BUILD_SIM)
  # Apart from the library's headers, so that "sim/..." is found only by who asks for it.
  set(sim_include_dir ${CMAKE_INSTALL_INCLUDEDIR}/viommu-sim)
  install(TARGETS viommu_sim viommu-sim viommu-conformance EXPORT viommu-sim-targets FILE_SET HEADERS DESTINATION ${sim_include_dir})
  install(EXPORT viommu-sim-targets NAMESPACE viommu:: DESTINATION ${package_dir} FILE viommu-sim-targets.cmake)
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/viommuConfig.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/viommuConfig.cmake INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/viommuConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/cmake/viommuConfig.cmake
  ${PROJECT_BINARY_DIR}/cmake/viommuConfigVersion.cmake
  DESTINATION ${package_dir})

# The prefix as seen from the folder of the .pc file, so that the installation can be moved as a whole; that needs a
# relative CMAKE_INSTALL_LIBDIR. Appending an absolute path replaces the prefix.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${pc_dir})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH up /${pc_dir} /)
  set(pc_prefix "\${pcfiledir}/${up}")
  string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
endif()
cmake_path(APPEND pc_libdir "\${prefix}" ${CMAKE_INSTALL_LIBDIR})
cmake_path(APPEND pc_includedir "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(${PROJECT_SOURCE_DIR}/cmake/viommu.pc.in ${PROJECT_BINARY_DIR}/cmake/viommu.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/viommu.pc DESTINATION ${pc_dir})
