// Finds the features of the processor in the text of /proc/cpuinfo.
#pragma once

#include <string>

namespace vae_dist::base {

/// Returns the text of /proc/cpuinfo, or an empty string if the file does not exist. The functions
/// below are pure functions of this text.
std::string read_cpuinfo();

/// Returns whether the processor has instructions that multiply bfloat16 (x86: AVX512_BF16 or AMX;
/// ARM: bf16). Returns true if the text lists no features at all.
bool multiplies_bfloat16(const std::string& cpuinfo);

/// Returns the model name ("AMD EPYC 9454"), or an empty string if the text has none.
std::string cpu_model(const std::string& cpuinfo);

}  // namespace vae_dist::base
