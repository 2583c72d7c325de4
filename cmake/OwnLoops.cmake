# Rooms with loops of our own, which are compiled for each instruction set and run on LibTorch's threads: with the OpenMP library that the wheel
# brings along and LibTorch itself has loaded. Beside that of the compiler, which has the same name, CMake would warn that it can't tell them apart.
# Where there is no OpenMP, one thread does all the work.

find_package(OpenMP)
file(GLOB wheel_openmp ${VAE_DIST_TORCH_SITE}/torch/lib/libgomp*.so*)
if(wheel_openmp AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  set(own_loops_openmp ${wheel_openmp})
else()
  set(own_loops_openmp ${OpenMP_CXX_LIBRARIES})
endif()

# vae_dist_own_loops(ROOM)
function(vae_dist_own_loops room)
  target_compile_options(vae_dist_${room} PRIVATE ${OpenMP_CXX_FLAGS} -O3 -fno-math-errno -fno-trapping-math
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-mprefer-vector-width=512>)
  target_link_libraries(vae_dist_${room} PRIVATE ${own_loops_openmp})
endfunction()
