# Builds under a sanitizer (the presets asan and tsan of CMakePresets.json, run by tests/checks/sanitize.sh):
#   VAE_DIST_SANITIZER=address   AddressSanitizer and UndefinedBehaviorSanitizer
#   VAE_DIST_SANITIZER=thread    ThreadSanitizer
# Our own checks depend on VAE_DIST_CHECKS, because every build must define NDEBUG: without it, LibTorch's inline classes have members that the
# wheel's libraries lack (RecordFunction::inputs_valid_), so both would disagree about the layout of objects.
set(VAE_DIST_SANITIZER "" CACHE STRING "address, thread, or nothing")
set_property(CACHE VAE_DIST_SANITIZER PROPERTY STRINGS "" address thread)

if(VAE_DIST_SANITIZER STREQUAL "address")
  set(sanitizer_options -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(VAE_DIST_SANITIZER STREQUAL "thread")
  set(sanitizer_options -fsanitize=thread)
elseif(VAE_DIST_SANITIZER)
  message(FATAL_ERROR "VAE_DIST_SANITIZER is '${VAE_DIST_SANITIZER}': set it to address or thread")
endif()
if(VAE_DIST_SANITIZER)
  add_compile_options(${sanitizer_options} -O0 -g1 -fno-omit-frame-pointer)
  add_link_options(${sanitizer_options})
  # GLIBCXX_ASSERTIONS checks indices of vectors and spans without changing the layout of classes.
  add_compile_definitions(VAE_DIST_CHECKS _GLIBCXX_ASSERTIONS)
endif()
