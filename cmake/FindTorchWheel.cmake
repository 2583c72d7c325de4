# LibTorch, NCCL and the CUDA runtime from Python's wheels, as imported targets. `find_package(Torch)` of a CUDA wheel insists on
# nvcc; everything here builds with the plain C++ compiler.
#
# Input:   VAE_DIST_TORCH_SITE   site-packages folder that holds torch/ and nvidia/ (asked of python3 when not set)
# Defines: vae_dist::torch       headers of LibTorch, and its libraries for the CPU
#          vae_dist::torch_cuda  the same, and its libraries for CUDA
#          vae_dist::nccl        NCCL with the CUDA runtime's headers
#          vae_dist::cuda        the CUDA runtime
# With a CPU wheel, the last three are not defined, and what needs a GPU is not built.

set(VAE_DIST_TORCH_SITE "" CACHE PATH "site-packages folder that holds torch")
if(NOT VAE_DIST_TORCH_SITE)
  execute_process(COMMAND ${VAE_DIST_PYTHON_EXECUTABLE} -c "import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))"
    OUTPUT_VARIABLE site OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result ERROR_QUIET)
  if(result EQUAL 0)
    set(VAE_DIST_TORCH_SITE ${site} CACHE PATH "site-packages folder that holds torch" FORCE)
  endif()
endif()

find_path(TORCH_INCLUDE ATen/ATen.h HINTS ${VAE_DIST_TORCH_SITE}/torch/include NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TorchWheel
  FAIL_MESSAGE "no LibTorch in VAE_DIST_TORCH_SITE='${VAE_DIST_TORCH_SITE}': run launcher/setup.sh, or pip install torch"
  REQUIRED_VARS TORCH_INCLUDE)

set(torch_lib ${VAE_DIST_TORCH_SITE}/torch/lib)
set(nvidia ${VAE_DIST_TORCH_SITE}/nvidia)
file(GLOB cuda_root LIST_DIRECTORIES true ${nvidia}/cu[0-9]* ${nvidia}/cuda_runtime)
file(GLOB nvidia_libs LIST_DIRECTORIES true ${nvidia}/*/lib)

# libtorch.so is left out: it holds nothing and needs libtorch_cuda.so, which a process pays for with a third of a gigabyte and a third of a second.
# --no-as-needed: kernels register themselves when their library is loaded; nothing refers to them by name.
# libstdc++ first: libtorch exports parts of its own, older std::filesystem, and remove_all through it crashes.
add_library(vae_dist_torch INTERFACE)
add_library(vae_dist::torch ALIAS vae_dist_torch)
target_include_directories(vae_dist_torch SYSTEM INTERFACE ${TORCH_INCLUDE} ${TORCH_INCLUDE}/torch/csrc/api/include)
target_link_libraries(vae_dist_torch INTERFACE -Wl,--no-as-needed -lstdc++ ${torch_lib}/libtorch_cpu.so ${torch_lib}/libc10.so -Wl,--as-needed)
# The wheels' libraries find each other by run paths of their own; the linker has to be told where they are.
foreach(dir ${nvidia_libs})
  target_link_options(vae_dist_torch INTERFACE -Wl,-rpath-link,${dir})
endforeach()

find_library(NCCL_LIBRARY libnccl.so.2 HINTS ${nvidia}/nccl/lib NO_DEFAULT_PATH)
find_path(NCCL_INCLUDE nccl.h HINTS ${nvidia}/nccl/include NO_DEFAULT_PATH)
find_path(CUDA_RUNTIME_INCLUDE cuda_runtime.h HINTS ${cuda_root} PATH_SUFFIXES include NO_DEFAULT_PATH)
if(EXISTS ${torch_lib}/libtorch_cuda.so AND NCCL_LIBRARY AND NCCL_INCLUDE AND CUDA_RUNTIME_INCLUDE)
  add_library(vae_dist_torch_cuda INTERFACE)
  add_library(vae_dist::torch_cuda ALIAS vae_dist_torch_cuda)
  # One word: CMake keeps a flag that it has seen before, as --no-as-needed above, in its first place alone.
  target_link_libraries(vae_dist_torch_cuda INTERFACE vae_dist_torch
    -Wl,--push-state,--no-as-needed,${torch_lib}/libtorch_cuda.so,${torch_lib}/libc10_cuda.so,--pop-state)
  add_library(vae_dist_nccl_wheel INTERFACE)
  add_library(vae_dist::nccl ALIAS vae_dist_nccl_wheel)
  target_include_directories(vae_dist_nccl_wheel SYSTEM INTERFACE ${NCCL_INCLUDE} ${CUDA_RUNTIME_INCLUDE})
  target_link_libraries(vae_dist_nccl_wheel INTERFACE ${NCCL_LIBRARY})
  # The wheel has the library under its versioned name alone.
  list(TRANSFORM cuda_root APPEND /lib/libcudart.so.* OUTPUT_VARIABLE cuda_runtimes)
  file(GLOB cuda_runtime ${cuda_runtimes})
  add_library(vae_dist_cuda_wheel INTERFACE)
  add_library(vae_dist::cuda ALIAS vae_dist_cuda_wheel)
  target_include_directories(vae_dist_cuda_wheel SYSTEM INTERFACE ${CUDA_RUNTIME_INCLUDE})
  target_link_libraries(vae_dist_cuda_wheel INTERFACE ${cuda_runtime})
  message(STATUS "NCCL: ${NCCL_LIBRARY}")
else()
  message(STATUS "NCCL: none beside torch; building for the CPU alone")
endif()
message(STATUS "LibTorch: ${VAE_DIST_TORCH_SITE}/torch")
