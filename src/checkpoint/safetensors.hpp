// Reads and writes the safetensors format: 8 bytes little-endian header length, a JSON header, raw
// little-endian data (https://github.com/huggingface/safetensors, "Format"). The format cannot
// contain code, so reading it is safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace vae_dist::checkpoint {

/// Tensors by name, and a flat text-to-text `__metadata__`.
struct TensorFile {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Returns the bytes of the file, identical to those of the reference implementation for the same
/// tensors. Data are in logical (contiguous) order and laid out widest type first, then by name.
/// Equal tensors therefore give equal bytes whatever their strides or device, and every tensor is
/// aligned to its type, which readers that map the file rely on. Types: F64, F32, BF16, F16, I64,
/// I32, I16, I8, U8. Throws BadInput for another type, or for a name that is not UTF-8.
std::string encode_safetensors(const TensorFile& file);

/// Returns contiguous CPU tensors that own their data. Throws BadInput naming `name` (a path) for a
/// malformed file: too short, header longer than the file, overlapping or wrong offsets, a size
/// that does not fit the shape, an unknown type.
TensorFile decode_safetensors(std::string_view bytes, const std::string& name);

/// Reads a file. Throws BadInput if it cannot be read or is malformed.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Writes the file durably, by rename. Throws Failure with the path and the system's error text.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

}  // namespace vae_dist::checkpoint
