// PyTorch's own files of weights (.pt, .pth, .ckpt, .bin, ...), by a Python with torch: LibTorch
// can't read a pickled state_dict.
#pragma once

#include <filesystem>
#include <string>

namespace vae_dist::launcher {

/// Whether a file that is to be written is PyTorch's, by its ending: .pt, .pth, .pth.tar, .ckpt or
/// .bin.
bool has_pytorch_name(const std::string& path);

/// Whether a file that is there is PyTorch's (true) or safetensors (false), by its first bytes,
/// whatever its name. Throws BadInput for any other, naming what it seems to be.
bool is_pytorch_file(const std::string& path);

/// A safetensors file in a folder of its own, removed with this object.
class TemporaryWeights {
 public:
  /// Throws Failure when the folder can't be made.
  TemporaryWeights();
  ~TemporaryWeights();
  TemporaryWeights(const TemporaryWeights&) = delete;
  TemporaryWeights& operator=(const TemporaryWeights&) = delete;

  std::filesystem::path path() const { return folder_ / "weights.safetensors"; }

 private:
  std::filesystem::path folder_;
};

/// Both run launcher/pytorch_weights.py, which is part of this program, in the Python that set-up
/// found, or that VAE_DIST_TORCH_PYTHON names. A pickle is read without running code in it. Throws
/// BadInput with the reason: no such file, no state_dict, more than tensors in it, a Python without
/// torch.
void pytorch_to_safetensors(const std::string& pytorch_file,
                            const std::filesystem::path& safetensors);
void safetensors_to_pytorch(const std::filesystem::path& safetensors,
                            const std::string& pytorch_file);

}  // namespace vae_dist::launcher
