// Converts PyTorch's own weight files (.pt, .pth, .ckpt, .bin, ...) by a Python with torch:
// LibTorch cannot read a pickled state_dict.
#pragma once

#include <filesystem>
#include <string>

namespace vae_dist::launcher {

/// Returns whether the extension of an output file is one of PyTorch's: .pt, .pth, .pth.tar, .ckpt
/// or .bin.
bool has_pytorch_name(const std::string& path);

/// Returns whether an existing file is PyTorch's (true) or safetensors (false), judged by its first
/// bytes and not by its name. Throws BadInput for any other file, naming its apparent type.
bool is_pytorch_file(const std::string& path);

/// A temporary directory for a safetensors file. The destructor removes it.
class TemporaryWeights {
 public:
  /// Throws Failure if the directory cannot be created.
  TemporaryWeights();
  ~TemporaryWeights();
  TemporaryWeights(const TemporaryWeights&) = delete;
  TemporaryWeights& operator=(const TemporaryWeights&) = delete;

  std::filesystem::path path() const { return folder_ / "weights.safetensors"; }

 private:
  std::filesystem::path folder_;
};

/// Convert between the two formats. Both functions run launcher/pytorch_weights.py, which is
/// embedded in this program, in the Python that VAE_DIST_TORCH_PYTHON names or that the set-up
/// found. Reading a pickle does not execute code in it. Both throw BadInput with the reason: no
/// such file, no state_dict, a state_dict with values other than tensors, or a Python without
/// torch.
void pytorch_to_safetensors(const std::string& pytorch_file,
                            const std::filesystem::path& safetensors);
void safetensors_to_pytorch(const std::filesystem::path& safetensors,
                            const std::string& pytorch_file);

}  // namespace vae_dist::launcher
