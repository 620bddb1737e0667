# tcpeek_precompile(TARGET HEADER...): where TCPEEK_PCH is on, HEADERs are compiled once for all of
# TARGET. They are included before each file, which then could lack an include of its own: the preset
# `clang` is without, and without tcpeek_unite().
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

# tcpeek_unite(TARGET): where TCPEEK_UNITY is on, eight files of TARGET are compiled as one. A name of an unnamed
# namespace can be used by one file of a room only.
function(tcpeek_unite target)
  if(TCPEEK_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()
