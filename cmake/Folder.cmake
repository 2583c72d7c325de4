# One folder is one library with an include root of its own, so a header can be included only by folders that link it:
#   vae_dist_folder(hdf5 SOURCES file.cpp ... PUBLIC vae_dist::base PRIVATE external::hdf5)
# makes vae_dist::hdf5, whose headers are included as "hdf5/file.hpp". Folder A's headers become visible to B by linking
# vae_dist::A, and by nothing else: each library's include root is a folder of links that holds only itself. With UNITY before SOURCES these
# are compiled eight at a time, as reading headers takes longer than the rest; their names in anonymous namespaces must differ then.
# REGISTERED: files of which nobody knows but the registry that they enter themselves into (src/base/registry.hpp). A linker takes from a library only what somebody asks for by name, so
# their objects go straight into every program that links the folder.
function(vae_dist_folder name)
  cmake_parse_arguments(folder "UNITY" "" "SOURCES;REGISTERED;PUBLIC;PRIVATE" ${ARGN})
  add_library(vae_dist_${name} STATIC ${folder_SOURCES})
  add_library(vae_dist::${name} ALIAS vae_dist_${name})
  set(include_root ${CMAKE_BINARY_DIR}/include_roots/${name})
  file(MAKE_DIRECTORY ${include_root})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${include_root}/${name} SYMBOLIC)
  target_include_directories(vae_dist_${name} PUBLIC ${include_root})
  target_link_libraries(vae_dist_${name} PUBLIC ${folder_PUBLIC} PRIVATE ${folder_PRIVATE})
  target_compile_options(vae_dist_${name} PRIVATE -Wall -Wextra -Wshadow -Werror=switch)
  set_target_properties(vae_dist_${name} PROPERTIES UNITY_BUILD ${folder_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  if(folder_REGISTERED)
    add_library(vae_dist_${name}_items OBJECT ${folder_REGISTERED})
    target_link_libraries(vae_dist_${name}_items PRIVATE vae_dist_${name} ${folder_PRIVATE})
    target_compile_options(vae_dist_${name}_items PRIVATE -Wall -Wextra -Wshadow -Werror=switch)
    set_target_properties(vae_dist_${name}_items PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    set(is_program $<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>)
    set_property(GLOBAL APPEND PROPERTY VAE_DIST_CODE $<TARGET_OBJECTS:vae_dist_${name}_items>)
    target_sources(vae_dist_${name} INTERFACE $<${is_program}:$<TARGET_OBJECTS:vae_dist_${name}_items>>)
  endif()
  # What programs are made of: see cmake/BuildId.cmake.
  set_property(GLOBAL APPEND PROPERTY VAE_DIST_CODE $<TARGET_FILE:vae_dist_${name}>)
endfunction()

# What asks CUDA and what stands for it in a program for the CPU define the same functions, so all other code is compiled once:
#   vae_dist_backend(device CUDA cuda/gpu_facts.cpp ... LINK vae_dist::cuda NONE none/gpu_facts.cpp ...)
# makes vae_dist_device_cuda and vae_dist_device_none beside vae_dist::device. A program gets the second with the folder, and the first where vae_dist_use_cuda() says so.
function(vae_dist_backend name)
  cmake_parse_arguments(backend "" "" "CUDA;LINK;NONE" ${ARGN})
  set(kinds none)
  if(TARGET vae_dist::cuda)
    list(APPEND kinds cuda)
  endif()
  foreach(kind ${kinds})
    string(TOUPPER ${kind} sources)
    add_library(vae_dist_${name}_${kind} STATIC ${backend_${sources}})
    target_link_libraries(vae_dist_${name}_${kind} PRIVATE vae_dist_${name})
    target_compile_options(vae_dist_${name}_${kind} PRIVATE -Wall -Wextra -Wshadow -Werror=switch)
    set_property(GLOBAL APPEND PROPERTY VAE_DIST_CODE $<TARGET_FILE:vae_dist_${name}_${kind}>)
  endforeach()
  if(TARGET vae_dist::cuda)
    target_link_libraries(vae_dist_${name}_cuda PRIVATE ${backend_LINK})
  endif()
  target_link_libraries(vae_dist_${name} INTERFACE $<IF:$<BOOL:$<TARGET_PROPERTY:VAE_DIST_CUDA>>,vae_dist_${name}_cuda,vae_dist_${name}_none>)
endfunction()

# Makes this program one for GPUs (it runs without one, too). Only where there is a target vae_dist::cuda.
function(vae_dist_use_cuda target)
  set_target_properties(${target} PROPERTIES VAE_DIST_CUDA ON)
endfunction()

# For targets that use modules and tensors: LibTorch's headers, compiled once (src/model/torch_pieces.hpp) for all of them.
function(vae_dist_precompiled_torch target)
  if(target STREQUAL vae_dist_model)
    target_precompile_headers(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src/model/torch_pieces.hpp)
  else()
    target_precompile_headers(${target} REUSE_FROM vae_dist_model)
  endif()
  if(TARGET ${target}_items)
    target_precompile_headers(${target}_items REUSE_FROM vae_dist_model)
  endif()
endfunction()

# A GoogleTest program: vae_dist_test(data_test SOURCES ... LINK vae_dist::data); TORCH adds the precompiled LibTorch, whose generator has the same seed before each test. Sources are compiled several at a time, as those of
# rooms are: reading GoogleTest and LibTorch takes longer than the tests of a file. So names in the anonymous namespaces of a folder's tests differ.
function(vae_dist_test name)
  cmake_parse_arguments(test "TORCH" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${test_SOURCES})
  target_link_libraries(${name} PRIVATE ${test_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_options(${name} PRIVATE -Wall -Wextra)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 7)
  if(test_TORCH)
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/process/seeded_torch.cpp)
    vae_dist_precompiled_torch(${name})
  endif()
  # One ctest a program, not one a case: loading LibTorch takes longer than most cases.
  add_test(NAME ${name} COMMAND ${name})
endfunction()
