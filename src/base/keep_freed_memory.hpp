// Keeps large freed memory blocks in the process instead of returning them to the system.
#pragma once

namespace vae_dist::base {

/// Keeps freed blocks of any size for the next step, which allocates the same sizes. By default
/// glibc maps each block of 32 MiB or more anew and unmaps it when it is freed, so every step pays
/// a page fault for each 4 KiB of its large activations (measured: 37 of 194 ms in the convolutions
/// of VanillaVAE, 64 images 64x64x3 in fp32). Call it once, before threads start. No-op with
/// another C library.
void keep_freed_memory();

/// Returns the currently free memory to the system after all. Call it after one-time work that
/// needed more memory than the work that follows. Takes milliseconds.
void give_back_freed_memory();

}  // namespace vae_dist::base
