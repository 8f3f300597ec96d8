# SPDX-License-Identifier: Apache-2.0
# The functions that every folder's CMakeLists.txt uses.
#
#   pyrene_library(NAME SRCS a.cc b.cc LIBS x y)          a static library, in the cross build and the host builds
#   pyrene_service(NAME SRCS main.cc LIBS ...)            cross build only: an EL0 program with the runtime -> build/services/NAME
#   pyrene_unit_test(NAME SRCS x_test.cc LIBS ... [ROUNDS n] [SOAK m])
#                                                         host builds only: a GoogleTest program.  ROUNDS and SOAK are what a
#                                                         randomised test finds in its environment as PYRENE_ROUNDS.
#   pyrene_fuzz_target(NAME LIBS ... PARSER x.cc ... [ROUNDS n] [SOAK m])
#                                                         host builds with sanitizers only: libFuzzer's main around NAME.cc.
#                                                         PARSER is what its corpus is to cover.
#   pyrene_planted_bug(NAME FILE RIGHT WRONG)             with sanitizers only: the same with FILE's text RIGHT, which must be there
#                                                         once, replaced by WRONG: a bug that the target is to find
#   pyrene_capnp_library(NAME SCHEMAS x.capnp)            messages' classes, included as "folder/x.capnp.h"

# What all our code but the kernel's is compiled with; the kernel has flags of its own.
add_library(pyrene_flags INTERFACE)
target_include_directories(pyrene_flags INTERFACE "${PROJECT_SOURCE_DIR}")
# PYRENE_OPTIMISE is a target's own choice. Most of a build's time would go into optimising what unit tests expect.
target_compile_options(pyrene_flags INTERFACE
  "$<IF:$<BOOL:$<TARGET_PROPERTY:PYRENE_OPTIMISE>>,$<TARGET_PROPERTY:PYRENE_OPTIMISE>,-O2>" -g -Wall -Wextra -Werror)
if(CMAKE_CROSSCOMPILING)
  # Atomics of Armv8.1 (LSE) do not exist on a Cortex-A72, nor the run-time choice of them that gcc would link in.
  target_compile_options(pyrene_flags INTERFACE -mcpu=cortex-a72 -mno-outline-atomics -fno-pie)
elseif(PYRENE_SANITIZE)
  # With libFuzzer's counters, so that fuzz targets need no build of their own.
  target_compile_options(pyrene_flags INTERFACE -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(pyrene_flags INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(pyrene_flags INTERFACE PYRENE_LOAD_HOOKS)   # runtime/load_hook.h
endif()

function(pyrene_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SRCS;LIBS")
  if(arg_SRCS)
    add_library(${name} STATIC ${arg_SRCS})
    target_link_libraries(${name} PUBLIC pyrene_flags ${arg_LIBS})
  else()   # headers only
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE pyrene_flags ${arg_LIBS})
  endif()
endfunction()

function(pyrene_service name)
  if(NOT CMAKE_CROSSCOMPILING)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SRCS;LIBS")
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE pyrene_flags ${arg_LIBS})
  target_link_options(${name} PRIVATE -static -Wl,-z,max-page-size=4096 -Wl,-z,separate-code)
  # pyrene_start registers the upcall and then goes to _start; -u fetches it out of the archive.
  target_link_libraries(${name} PRIVATE $<$<TARGET_EXISTS:pyrene_runtime>:pyrene_runtime>)
  target_link_options(${name} PRIVATE
    $<$<TARGET_EXISTS:pyrene_runtime>:-Wl,-e,pyrene_start> $<$<TARGET_EXISTS:pyrene_runtime>:-Wl,-u,pyrene_start>)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/services")
endfunction()

function(pyrene_unit_test name)
  if(CMAKE_CROSSCOMPILING)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "ROUNDS;SOAK" "SRCS;LIBS")
  add_executable(${name} ${arg_SRCS})
  find_library(PYRENE_ARCHIVE_gtest_main NAMES libgtest_main.a REQUIRED)
  target_link_libraries(${name} PRIVATE pyrene_flags ${arg_LIBS} "${PYRENE_ARCHIVE_gtest_main}" pyrene::gtest)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/unit" PYRENE_OPTIMISE -O0)
  add_test(NAME ${name} COMMAND ${name})
  if(arg_ROUNDS)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "PYRENE_ROUNDS=${arg_ROUNDS}")
  endif()
endfunction()

# libFuzzer's main with the objects of a target, and what it is linked with.
function(pyrene_fuzz_program name folder output)
  add_executable(${name} ${ARGN})
  # Only here: without the profile's runtime, counting code counts and writes nothing.
  target_link_options(${name} PRIVATE -fsanitize=fuzzer -fprofile-instr-generate)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/${folder}" OUTPUT_NAME ${output})
endfunction()

# These files, which a target's corpus is to cover, count which of their lines run; nothing is written unless LLVM_PROFILE_FILE
# says where. Headers are counted in the target's own file.
function(pyrene_count_lines)
  foreach(pattern ${ARGN})
    file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${pattern}")
    foreach(file ${files})
      set(folder "${file}")   # properties belong to the folder whose target compiles the file
      while(NOT EXISTS "${folder}/CMakeLists.txt")
        cmake_path(GET folder PARENT_PATH folder)
      endwhile()
      if(folder STREQUAL "${PROJECT_SOURCE_DIR}/kernel")   # on the host its logic is a library of its tests
        set(folder "${PROJECT_SOURCE_DIR}/tests/unit/kernel")
      endif()
      set_source_files_properties("${file}" DIRECTORY "${folder}"
        PROPERTIES COMPILE_OPTIONS "-fprofile-instr-generate=/dev/null;-fcoverage-mapping")
    endforeach()
  endforeach()
endfunction()

function(pyrene_fuzz_target name)
  if(CMAKE_CROSSCOMPILING OR NOT PYRENE_SANITIZE)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "ROUNDS;SOAK" "LIBS;PARSER")
  pyrene_count_lines(tests/fuzz/${name}.cc ${arg_PARSER})
  add_library(fuzz_${name}_objects OBJECT ${name}.cc)
  target_link_libraries(fuzz_${name}_objects PUBLIC pyrene_flags ${arg_LIBS} pyrene::gtest)   # of fixtures that unit tests share
  pyrene_fuzz_program(fuzz_${name} fuzz ${name})
  target_link_libraries(fuzz_${name} PRIVATE fuzz_${name}_objects)
endfunction()

# The changed file's object stands before the library that has the right one, which the linker then leaves out.
function(pyrene_planted_bug name file right wrong)
  if(CMAKE_CROSSCOMPILING OR NOT PYRENE_SANITIZE)
    return()
  endif()
  set(source "${PROJECT_SOURCE_DIR}/${file}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(READ "${source}" text)
  string(FIND "${text}" "${right}" first)
  string(FIND "${text}" "${right}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "the bug planted for ${name} wants this once in ${file}: ${right}")
  endif()
  string(REPLACE "${right}" "${wrong}" text "${text}")
  file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/planted/${name}.cc" CONTENT "${text}")
  pyrene_fuzz_program(planted_${name} planted ${name} "${CMAKE_CURRENT_BINARY_DIR}/planted/${name}.cc")
  set_source_files_properties("${CMAKE_CURRENT_BINARY_DIR}/planted/${name}.cc" PROPERTIES COMPILE_OPTIONS -Wno-error)   # what only the right text uses
  target_link_libraries(planted_${name} PRIVATE fuzz_${name}_objects)
endfunction()

find_program(PYRENE_CAPNP capnp REQUIRED)
find_program(PYRENE_CAPNPC_CXX capnpc-c++ REQUIRED)

function(pyrene_capnp_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SCHEMAS")
  set(generated "${CMAKE_BINARY_DIR}/generated")
  file(MAKE_DIRECTORY "${generated}")
  set(sources)
  foreach(schema ${arg_SCHEMAS})
    cmake_path(ABSOLUTE_PATH schema NORMALIZE)
    cmake_path(RELATIVE_PATH schema BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE relative)
    # Schemas import each other by "/proto/x.capnp", so each depends on all of its library.
    list(TRANSFORM arg_SCHEMAS PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/" OUTPUT_VARIABLE all)
    add_custom_command(
      OUTPUT "${generated}/${relative}.c++" "${generated}/${relative}.h"
      COMMAND ${PYRENE_CAPNP} compile "--output=${PYRENE_CAPNPC_CXX}:${generated}" "--src-prefix=${PROJECT_SOURCE_DIR}"
              --no-standard-import "--import-path=${PROJECT_SOURCE_DIR}" "--import-path=${CMAKE_SYSROOT}/usr/include" "${schema}"
      DEPENDS ${all} VERBATIM)
    list(APPEND sources "${generated}/${relative}.c++" "${generated}/${relative}.h")
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC "${generated}")
  target_link_libraries(${name} PUBLIC pyrene_flags pyrene::capnp)
  target_compile_options(${name} PRIVATE -w)   # generated code
endfunction()
