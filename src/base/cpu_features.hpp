// What a processor can do, as the kernel lists it in /proc/cpuinfo.
#pragma once

#include <string>

namespace vae_dist::base {

/// The text of /proc/cpuinfo; empty where there is none. The functions below are pure functions of
/// it.
std::string read_cpuinfo();

/// Whether it has instructions that multiply bfloat16 (x86: AVX512_BF16 or AMX; ARM: bf16). True
/// where the text lists no abilities at all.
bool multiplies_bfloat16(const std::string& cpuinfo);

/// "AMD EPYC 9454"; empty where the text has no name.
std::string cpu_model(const std::string& cpuinfo);

}  // namespace vae_dist::base
