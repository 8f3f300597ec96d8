# SPDX-License-Identifier: Apache-2.0
# Fails the build if code of the upcall refers to anything outside the personality: a C library function would use FP registers or TLS.
# cmake -DNM=nm -DARCHIVE=libpyrene_personality.a -P check_symbols.cmake

set(allowed _start __ehdr_start __start_pyrene_fixup __stop_pyrene_fixup)

function(symbols result option)
  execute_process(COMMAND "${NM}" ${option} --format=posix "${ARCHIVE}" OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+ [A-Za-z][ \n]" lines "${text}")
  list(TRANSFORM lines REPLACE " .*" "")
  set(${result} "${lines}" PARENT_SCOPE)
endfunction()

symbols(used --undefined-only)
symbols(defined --defined-only)
list(REMOVE_ITEM used ${defined} ${allowed})
list(REMOVE_DUPLICATES used)
if(used)
  message(FATAL_ERROR "the personality refers to: ${used}")
endif()
