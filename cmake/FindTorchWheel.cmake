# Finds LibTorch, NCCL and the CUDA runtime in Python's wheels and defines imported targets. `find_package(Torch)` is not used, because with a CUDA
# wheel it requires nvcc, while everything here builds with the plain C++ compiler.
#
# Input:   VAE_DIST_TORCH_SITE   site-packages folder that holds torch/ and nvidia/ (default: found by python3)
# Defines: vae_dist::torch       LibTorch's headers and its CPU libraries
#          vae_dist::torch_cuda  the same plus its CUDA libraries
#          vae_dist::nccl        NCCL with the CUDA runtime's headers
#          vae_dist::cuda        the CUDA runtime
# With a CPU wheel, the last three are not defined, and code for GPUs is not built.

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
  FAIL_MESSAGE "LibTorch was not found in VAE_DIST_TORCH_SITE='${VAE_DIST_TORCH_SITE}': run launcher/setup.sh, or pip install torch"
  REQUIRED_VARS TORCH_INCLUDE)

set(torch_lib ${VAE_DIST_TORCH_SITE}/torch/lib)
set(nvidia ${VAE_DIST_TORCH_SITE}/nvidia)
file(GLOB cuda_root LIST_DIRECTORIES true ${nvidia}/cu[0-9]* ${nvidia}/cuda_runtime)
file(GLOB nvidia_libs LIST_DIRECTORIES true ${nvidia}/*/lib)

# libtorch.so is omitted: it is empty and loads libtorch_cuda.so, which costs a process a third of a gigabyte and a third of a second.
# --no-as-needed, because kernels register themselves when their library is loaded, and nothing refers to them by name.
# libstdc++ comes first, because libtorch exports parts of an older std::filesystem, and calling its remove_all crashes.
add_library(vae_dist_torch INTERFACE)
add_library(vae_dist::torch ALIAS vae_dist_torch)
target_include_directories(vae_dist_torch SYSTEM INTERFACE ${TORCH_INCLUDE} ${TORCH_INCLUDE}/torch/csrc/api/include)
target_link_libraries(vae_dist_torch INTERFACE -Wl,--no-as-needed -lstdc++ ${torch_lib}/libtorch_cpu.so ${torch_lib}/libc10.so -Wl,--as-needed)
# The wheels' libraries find each other through their own run paths, but the linker needs to be told where they are.
foreach(dir ${nvidia_libs})
  target_link_options(vae_dist_torch INTERFACE -Wl,-rpath-link,${dir})
endforeach()

find_library(NCCL_LIBRARY libnccl.so.2 HINTS ${nvidia}/nccl/lib NO_DEFAULT_PATH)
find_path(NCCL_INCLUDE nccl.h HINTS ${nvidia}/nccl/include NO_DEFAULT_PATH)
find_path(CUDA_RUNTIME_INCLUDE cuda_runtime.h HINTS ${cuda_root} PATH_SUFFIXES include NO_DEFAULT_PATH)
# Headers that these include, and that are in wheels which torch does not ask for (launcher/setup.sh does), or in a CUDA toolkit of the machine.
find_path(CUDA_CRT_INCLUDE crt/host_defines.h HINTS ${CUDA_RUNTIME_INCLUDE} ${nvidia}/cuda_nvcc/include PATHS /usr/local/cuda/include)
find_path(CUDA_CCCL_INCLUDE nv/target HINTS ${CUDA_RUNTIME_INCLUDE} ${nvidia}/cuda_cccl/include PATHS /usr/local/cuda/include)
if(EXISTS ${torch_lib}/libtorch_cuda.so AND NCCL_LIBRARY AND NCCL_INCLUDE AND CUDA_RUNTIME_INCLUDE)
  if(NOT CUDA_CRT_INCLUDE OR NOT CUDA_CCCL_INCLUDE)
    message(FATAL_ERROR "${CUDA_RUNTIME_INCLUDE} is there without crt/host_defines.h or nv/target, which its headers include: "
      "pip install 'cuda-toolkit[cccl,crt]' beside torch (for CUDA 12: nvidia-cuda-nvcc-cu12 and nvidia-cuda-cccl-cu12 of its version)")
  endif()
  set(cuda_include ${CUDA_RUNTIME_INCLUDE} ${CUDA_CRT_INCLUDE} ${CUDA_CCCL_INCLUDE})
  list(REMOVE_DUPLICATES cuda_include)
  add_library(vae_dist_torch_cuda INTERFACE)
  add_library(vae_dist::torch_cuda ALIAS vae_dist_torch_cuda)
  # A single word, because CMake removes repeated flags such as --no-as-needed above and keeps only the first occurrence.
  target_link_libraries(vae_dist_torch_cuda INTERFACE vae_dist_torch
    -Wl,--push-state,--no-as-needed,${torch_lib}/libtorch_cuda.so,${torch_lib}/libc10_cuda.so,--pop-state)
  add_library(vae_dist_nccl_wheel INTERFACE)
  add_library(vae_dist::nccl ALIAS vae_dist_nccl_wheel)
  target_include_directories(vae_dist_nccl_wheel SYSTEM INTERFACE ${NCCL_INCLUDE} ${cuda_include})
  target_link_libraries(vae_dist_nccl_wheel INTERFACE ${NCCL_LIBRARY})
  # The wheel contains the library only under its versioned name.
  list(TRANSFORM cuda_root APPEND /lib/libcudart.so.* OUTPUT_VARIABLE cuda_runtimes)
  file(GLOB cuda_runtime ${cuda_runtimes})
  add_library(vae_dist_cuda_wheel INTERFACE)
  add_library(vae_dist::cuda ALIAS vae_dist_cuda_wheel)
  target_include_directories(vae_dist_cuda_wheel SYSTEM INTERFACE ${cuda_include})
  target_link_libraries(vae_dist_cuda_wheel INTERFACE ${cuda_runtime})
  message(STATUS "NCCL: ${NCCL_LIBRARY}")
else()
  message(STATUS "NCCL: not found beside torch; building for the CPU only")
endif()
message(STATUS "LibTorch: ${VAE_DIST_TORCH_SITE}/torch")
