# Adds a ctest that runs unittest modules of the current folder, with the environment for finding the program, its sources and tests/process:
#   vae_dist_python_test(lock_test [MODULES module ...] [PATHS folder ...] [ENVIRONMENT "NAME=value" ...])
# MODULES defaults to the test's name. PATHS: more folders to import from. The time limit only ends tests that hang: the longest take a tenth of it.
function(vae_dist_python_test name)
  cmake_parse_arguments(test "" "" "MODULES;PATHS;ENVIRONMENT" ${ARGN})
  if(NOT test_MODULES)
    set(test_MODULES ${name})
  endif()
  list(PREPEND test_PATHS ${CMAKE_SOURCE_DIR}/tests/process)
  list(JOIN test_PATHS ":" paths)
  add_test(NAME ${name} COMMAND ${VAE_DIST_PYTHON_EXECUTABLE} -m unittest --verbose ${test_MODULES} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set(environment "VAE_DIST_BINARY=$<TARGET_FILE:vae_dist>" "VAE_DIST_SOURCE=${CMAKE_SOURCE_DIR}" "PYTHONPATH=${paths}" PYTHONDONTWRITEBYTECODE=1
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ${test_ENVIRONMENT})
  set_tests_properties(${name} PROPERTIES TIMEOUT 7200 ENVIRONMENT "${environment}")
endfunction()
