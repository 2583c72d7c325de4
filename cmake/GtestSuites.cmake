# Registers each suite of a GoogleTest program with ctest, as <program>.<suite>. One entry per case would load LibTorch 1,400 times, and one per
# program would hide which suite fails or is slow.
#
# Call vae_dist_gtest_suites(data_test [PROPERTIES name value ...]) after the program is defined. Each time the program is linked,
# this file runs as a script and lets the program list its suites; ctest reads that list.
if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND ${PROGRAM} --gtest_list_tests OUTPUT_VARIABLE listed RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} --gtest_list_tests failed: ${status}")
  endif()
  # A suite's line is not indented and ends in a dot, which a comment follows for typed suites.
  string(REGEX MATCHALL "(^|\n)[A-Za-z_][A-Za-z0-9_/]*\\." suites "${listed}")
  set(tests "")
  foreach(suite ${suites})  # the longest take a tenth of the time limit
    string(REGEX REPLACE "[\n.]" "" suite "${suite}")
    string(APPEND tests "add_test([==[${NAME}.${suite}]==] [==[${PROGRAM}]==] [==[--gtest_filter=${suite}.*]==])\n"
      "set_tests_properties([==[${NAME}.${suite}]==] PROPERTIES TIMEOUT 1200 ${PROPERTIES})\n")
  endforeach()
  file(WRITE ${OUT} "${tests}")
  return()
endif()

set(vae_dist_gtest_suites_script ${CMAKE_CURRENT_LIST_FILE})

function(vae_dist_gtest_suites program)
  cmake_parse_arguments(suites "" "" "PROPERTIES" ${ARGN})
  set(quoted "")
  foreach(word ${suites_PROPERTIES})
    string(APPEND quoted " [==[${word}]==]")
  endforeach()
  set(list ${CMAKE_CURRENT_BINARY_DIR}/${program}_suites.cmake)
  add_custom_command(TARGET ${program} POST_BUILD BYPRODUCTS ${list}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${program}> -DNAME=${program} "-DPROPERTIES=${quoted}" -DOUT=${list}
      -P ${vae_dist_gtest_suites_script}
    COMMENT "" VERBATIM)
  set(include ${CMAKE_CURRENT_BINARY_DIR}/${program}_include.cmake)
  file(WRITE ${include} "if(EXISTS [==[${list}]==])\n  include([==[${list}]==])\nelse()\n  add_test([==[${program}]==] [==[${program} is not built]==])\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include})
endfunction()
