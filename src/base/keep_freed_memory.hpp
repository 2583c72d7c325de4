// Large blocks that are freed stay with the process.
#pragma once

namespace vae_dist::base {

/// glibc maps each block of 32 MiB and more anew and gives it back when it is freed, so every step
/// pays a page fault for each 4 KiB of its large activations (measured: 37 of 194 ms in the
/// convolutions of VanillaVAE, 64 images 64x64x3 in fp32). After this call blocks of any size are
/// kept for the next step, which asks for the same. To be called once, before threads start. Does
/// nothing with another C library.
void keep_freed_memory();

/// Gives back what is free now all the same: after work that needed more than what follows, and is
/// not done again. Takes milliseconds.
void give_back_freed_memory();

}  // namespace vae_dist::base
