# What makes a flaw in release builds harder to use: position independent, no writable table of calls
# (full RELRO), guarded stacks, checked libc calls, and on x86-64 marks for indirect jumps (CET).
# tests/install/test_binary.py reads the result. What it costs is in docs/performance.md.
#
# Sanitizers bring checks of their own, and debug builds have no optimizer, which the checks need.
set(TCPEEK_HARDEN OFF)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT TCPEEK_SANITIZE)
  set(TCPEEK_HARDEN ON)
endif()
option(TCPEEK_HARDENING "Harden release builds; off only to measure what it costs" ON)
if(NOT TCPEEK_HARDENING)
  set(TCPEEK_HARDEN OFF)
endif()
if(NOT TCPEEK_HARDEN)
  return()
endif()

# The linker marks a program for CET only if all of it is marked; the start-up files of Debian 12 are not, those
# of other systems are.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-fcf-protection=full TCPEEK_HAVE_CET)
if(TCPEEK_HAVE_CET)
  add_compile_options(-fcf-protection=full)
endif()
# Not 3, which also checks what has a size at run time only: that costs one instruction in a hundred of a
# packet's path, where nothing is of that kind.
add_compile_options(-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# Not CMAKE_POSITION_INDEPENDENT_CODE: that is -fPIC for the rooms, as if their functions could be replaced.
set(loadable "$<STREQUAL:$<TARGET_PROPERTY:TYPE>,MODULE_LIBRARY>")
add_compile_options("$<IF:${loadable},-fPIC,-fPIE>")
add_link_options("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>" -Wl,-z,relro,-z,now)
