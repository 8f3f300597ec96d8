# SPDX-License-Identifier: Apache-2.0
# Debian's libraries as imported targets: pyrene::absl, pyrene::capnp, pyrene::fdt, pyrene::ext2fs, pyrene::gtest.
# The static archives are linked by file name, in every build: the packages' own CMake files would name shared ones.

find_package(Threads REQUIRED)

function(_pyrene_archive result name)
  find_library(PYRENE_ARCHIVE_${name} NAMES lib${name}.a REQUIRED)
  set(${result} "${PYRENE_ARCHIVE_${name}}" PARENT_SCOPE)
endfunction()

# pyrene_imported(NAME ARCHIVE...): archives may refer to each other in any order.
function(_pyrene_imported name)
  add_library(pyrene_imported_${name} INTERFACE)
  add_library(pyrene::${name} ALIAS pyrene_imported_${name})
  set(files)
  foreach(archive ${ARGN})
    _pyrene_archive(file ${archive})
    list(APPEND files ${file})
  endforeach()
  list(JOIN files "," files)
  target_link_libraries(pyrene_imported_${name} INTERFACE "-Wl,--start-group,${files},--end-group" Threads::Threads)
endfunction()

_pyrene_archive(any_absl absl_base)
cmake_path(GET any_absl PARENT_PATH absl_folder)
file(GLOB absl_archives RELATIVE "${absl_folder}" "${absl_folder}/libabsl_*.a")
list(TRANSFORM absl_archives REPLACE "^lib(.*)\\.a$" "\\1")
_pyrene_imported(absl ${absl_archives})
_pyrene_imported(capnp capnp kj)
_pyrene_imported(fdt fdt)
_pyrene_imported(ext2fs ext2fs com_err)
_pyrene_imported(gtest gtest gmock)
