// How the values of the configuration's enums are written in files, on the command line and in
// messages. The only place that defines these words.
#pragma once

#include <stdexcept>
#include <string>

#include "base/key.hpp"
#include "base/log.hpp"
#include "config/config.hpp"

namespace vae_dist::config {

/// Returns the words of an enum. Specialised in words.cpp for every enum of config.hpp.
template <typename Value>
const base::Words<Value>& words();

template <>
const base::Words<Activation>& words();
template <>
const base::Words<Output>& words();
template <>
const base::Words<CancelledBias>& words();
template <>
const base::Words<CodesKind>& words();
template <>
const base::Words<KldWeightRule>& words();
template <>
const base::Words<BetaSchedule>& words();
template <>
const base::Words<Reduction>& words();
template <>
const base::Words<Scope>& words();
template <>
const base::Words<Normalize>& words();
template <>
const base::Words<Missing>& words();
template <>
const base::Words<Binarize>& words();
template <>
const base::Words<Dequantize>& words();
template <>
const base::Words<Cache>& words();
template <>
const base::Words<Order>& words();
template <>
const base::Words<Sections>& words();
template <>
const base::Words<RateSchedule>& words();
template <>
const base::Words<ScheduleUnit>& words();
template <>
const base::Words<Precision>& words();
template <>
const base::Words<Recompute>& words();
template <>
const base::Words<Convolutions>& words();
template <>
const base::Words<Device>& words();
template <>
const base::Words<Backend>& words();
template <>
const base::Words<BatchNorm>& words();
template <>
const base::Words<Compress>& words();
template <>
const base::Words<log::Level>& words();

template <typename Value>
const base::Words<Value>& words_of(const Value&) {
  return words<Value>();
}

/// Returns the word for a value: word(Precision::bf16) is "bf16".
template <typename Value>
std::string word(Value value) {
  return base::ChoiceOf<Value>(value, words<Value>()).word();
}

/// Returns the value for a word: from_word<Precision>("bf16"). Throws std::logic_error if there is
/// no such word: user input has been checked before.
template <typename Value>
Value from_word(const std::string& text) {
  Value value{};
  if (!base::ChoiceOf<Value>(value, words<Value>()).choose(text))
    throw std::logic_error("'" + text + "' is not a value of this key");
  return value;
}

}  // namespace vae_dist::config
