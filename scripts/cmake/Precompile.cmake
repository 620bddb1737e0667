# tcpeek_precompile(TARGET HEADER...): where TCPEEK_PCH is on, HEADERs are compiled once for all of
# TARGET. They are included before each file, which then could lack an include of its own: one build of
# scripts/test --all, by the preset `asan`, is without.
function(tcpeek_precompile target)
  if(NOT TCPEEK_PCH)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE ${ARGN})
  # With these ccache can tell whether a precompiled header has changed by what is in it.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  else()
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()
