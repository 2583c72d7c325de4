# Each folder is a library with its own include root, so only folders that link it can include its headers:
#   vae_dist_folder(hdf5 SOURCES file.cpp ... PUBLIC vae_dist::base PRIVATE external::hdf5)
# defines vae_dist::hdf5, whose headers are included as "hdf5/file.hpp". Linking vae_dist::A is the only way to see folder A's headers, because each
# library's include root is a folder that holds nothing but a link to it. With UNITY before SOURCES, eight sources are compiled together, because
# reading headers takes most of the time; their names in anonymous namespaces must then differ.
# REGISTERED: sources that nothing refers to, because they enter themselves into a registry (src/base/registry.hpp). The linker would drop them
# from a library, so their objects are linked directly into every program that links the folder.
# To gcc the files of a unity build are headers, whose types in anonymous namespaces it warns of.
set(vae_dist_warnings -Wall -Wextra -Wshadow -Wno-subobject-linkage -Werror=switch)

function(vae_dist_folder name)
  cmake_parse_arguments(folder "UNITY" "" "SOURCES;REGISTERED;PUBLIC;PRIVATE" ${ARGN})
  add_library(vae_dist_${name} STATIC ${folder_SOURCES})
  add_library(vae_dist::${name} ALIAS vae_dist_${name})
  set(include_root ${CMAKE_BINARY_DIR}/include_roots/${name})
  file(MAKE_DIRECTORY ${include_root})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${include_root}/${name} SYMBOLIC)
  target_include_directories(vae_dist_${name} PUBLIC ${include_root})
  target_link_libraries(vae_dist_${name} PUBLIC ${folder_PUBLIC} PRIVATE ${folder_PRIVATE})
  target_compile_options(vae_dist_${name} PRIVATE ${vae_dist_warnings})
  set_target_properties(vae_dist_${name} PROPERTIES UNITY_BUILD ${folder_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  if(folder_REGISTERED)
    add_library(vae_dist_${name}_items OBJECT ${folder_REGISTERED})
    target_link_libraries(vae_dist_${name}_items PRIVATE vae_dist_${name} ${folder_PRIVATE})
    target_compile_options(vae_dist_${name}_items PRIVATE ${vae_dist_warnings})
    set_target_properties(vae_dist_${name}_items PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    set(is_program $<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>)
    set_property(GLOBAL APPEND PROPERTY VAE_DIST_CODE $<TARGET_OBJECTS:vae_dist_${name}_items>)
    target_sources(vae_dist_${name} INTERFACE $<${is_program}:$<TARGET_OBJECTS:vae_dist_${name}_items>>)
  endif()
  # The input of the build id: see cmake/BuildId.cmake.
  set_property(GLOBAL APPEND PROPERTY VAE_DIST_CODE $<TARGET_FILE:vae_dist_${name}>)
endfunction()

# The CUDA backend and its replacement in CPU programs define the same functions, so all other code is compiled only once:
#   vae_dist_backend(device CUDA cuda/gpu_facts.cpp ... LINK vae_dist::cuda NONE none/gpu_facts.cpp ...)
# defines vae_dist_device_cuda and vae_dist_device_none beside vae_dist::device. Linking the folder adds the latter, or the former after vae_dist_use_cuda().
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
    target_compile_options(vae_dist_${name}_${kind} PRIVATE ${vae_dist_warnings})
    set_property(GLOBAL APPEND PROPERTY VAE_DIST_CODE $<TARGET_FILE:vae_dist_${name}_${kind}>)
  endforeach()
  if(TARGET vae_dist::cuda)
    target_link_libraries(vae_dist_${name}_cuda PRIVATE ${backend_LINK})
  endif()
  target_link_libraries(vae_dist_${name} INTERFACE $<IF:$<BOOL:$<TARGET_PROPERTY:VAE_DIST_CUDA>>,vae_dist_${name}_cuda,vae_dist_${name}_none>)
endfunction()

# Links the CUDA backends into a program, which still runs without a GPU. Requires the target vae_dist::cuda.
function(vae_dist_use_cuda target)
  set_target_properties(${target} PROPERTIES VAE_DIST_CUDA ON)
endfunction()

# Lets a target that uses modules and tensors share the precompiled LibTorch headers (src/model/torch_pieces.hpp).
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

# Defines a GoogleTest program: vae_dist_test(data_test SOURCES ... LINK vae_dist::data). TORCH adds the precompiled LibTorch headers and seeds
# LibTorch's generator before each test. Several sources are compiled together, because reading GoogleTest and LibTorch takes most of the time; their
# names in anonymous namespaces must differ.
function(vae_dist_test name)
  cmake_parse_arguments(test "TORCH" "" "SOURCES;LINK;PROPERTIES" ${ARGN})
  add_executable(${name} ${test_SOURCES})
  target_link_libraries(${name} PRIVATE ${test_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_options(${name} PRIVATE -Wall -Wextra)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 7)
  if(test_TORCH)
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/process/seeded_torch.cpp)
    vae_dist_precompiled_torch(${name})
  endif()
  vae_dist_gtest_suites(${name} PROPERTIES ${test_PROPERTIES})
endfunction()
