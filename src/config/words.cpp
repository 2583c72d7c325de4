#include "config/words.hpp"

namespace vae_dist::config {

template <>
const base::Words<Activation>& words() {
  static const base::Words<Activation> all = {{"leaky_relu", Activation::leaky_relu},
                                              {"relu", Activation::relu},
                                              {"tanh", Activation::tanh},
                                              {"silu", Activation::silu}};
  return all;
}

template <>
const base::Words<Output>& words() {
  static const base::Words<Output> all = {{"auto", Output::automatic},
                                          {"sigmoid", Output::sigmoid},
                                          {"tanh", Output::tanh},
                                          {"identity", Output::identity}};
  return all;
}

template <>
const base::Words<CancelledBias>& words() {
  static const base::Words<CancelledBias> all = {{"skip", CancelledBias::skip},
                                                 {"add", CancelledBias::add}};
  return all;
}

template <>
const base::Words<CodesKind>& words() {
  static const base::Words<CodesKind> all = {{"continuous", CodesKind::continuous},
                                             {"vector_quantized", CodesKind::vector_quantized}};
  return all;
}

template <>
const base::Words<KldWeightRule>& words() {
  static const base::Words<KldWeightRule> all = {
      {"auto", KldWeightRule::automatic},
      {"reference", KldWeightRule::reference},
      {"batch_over_dataset", KldWeightRule::batch_over_dataset},
      {"fixed", KldWeightRule::fixed},
      {"elbo", KldWeightRule::elbo}};
  return all;
}

template <>
const base::Words<BetaSchedule>& words() {
  static const base::Words<BetaSchedule> all = {{"constant", BetaSchedule::constant},
                                                {"linear", BetaSchedule::linear},
                                                {"cyclical", BetaSchedule::cyclical}};
  return all;
}

template <>
const base::Words<Reduction>& words() {
  static const base::Words<Reduction> all = {{"mean", Reduction::mean}, {"sum", Reduction::sum}};
  return all;
}

template <>
const base::Words<ObjectiveName>& words() {
  static const base::Words<ObjectiveName> all = {{"standard", ObjectiveName::standard},
                                                 {"script", ObjectiveName::script}};
  return all;
}

template <>
const base::Words<Scope>& words() {
  static const base::Words<Scope> all = {{"global", Scope::global}, {"replica", Scope::replica}};
  return all;
}

template <>
const base::Words<Normalize>& words() {
  static const base::Words<Normalize> all = {{"scale", Normalize::scale},
                                             {"none", Normalize::none},
                                             {"standardize", Normalize::standardize},
                                             {"min_max", Normalize::min_max}};
  return all;
}

template <>
const base::Words<Missing>& words() {
  static const base::Words<Missing> all = {{"error", Missing::error}, {"mask", Missing::mask}};
  return all;
}

template <>
const base::Words<Binarize>& words() {
  static const base::Words<Binarize> all = {{"none", Binarize::none},
                                            {"threshold", Binarize::threshold},
                                            {"dynamic", Binarize::dynamic},
                                            {"fixed", Binarize::fixed}};
  return all;
}

template <>
const base::Words<Dequantize>& words() {
  static const base::Words<Dequantize> all = {{"none", Dequantize::none},
                                              {"uniform", Dequantize::uniform}};
  return all;
}

template <>
const base::Words<Cache>& words() {
  static const base::Words<Cache> all = {
      {"auto", Cache::automatic}, {"memory", Cache::memory}, {"stream", Cache::stream}};
  return all;
}

template <>
const base::Words<Order>& words() {
  static const base::Words<Order> all = {
      {"auto", Order::automatic}, {"global", Order::global}, {"sections", Order::sections}};
  return all;
}

template <>
const base::Words<Sections>& words() {
  static const base::Words<Sections> all = {
      {"auto", Sections::automatic}, {"epoch", Sections::epoch}, {"fixed", Sections::fixed}};
  return all;
}

template <>
const base::Words<RateSchedule>& words() {
  static const base::Words<RateSchedule> all = {{"constant", RateSchedule::constant},
                                                {"exponential", RateSchedule::exponential},
                                                {"cosine", RateSchedule::cosine},
                                                {"step", RateSchedule::step}};
  return all;
}

template <>
const base::Words<ScheduleUnit>& words() {
  static const base::Words<ScheduleUnit> all = {{"epoch", ScheduleUnit::epoch},
                                                {"step", ScheduleUnit::step}};
  return all;
}

template <>
const base::Words<Precision>& words() {
  static const base::Words<Precision> all = {{"auto", Precision::automatic},
                                             {"fp64", Precision::fp64},
                                             {"fp32", Precision::fp32},
                                             {"tf32", Precision::tf32},
                                             {"bf16", Precision::bf16}};
  return all;
}

template <>
const base::Words<Recompute>& words() {
  static const base::Words<Recompute> all = {{"none", Recompute::none},
                                             {"blocks", Recompute::blocks}};
  return all;
}

template <>
const base::Words<Convolutions>& words() {
  static const base::Words<Convolutions> all = {{"auto", Convolutions::automatic},
                                                {"onednn", Convolutions::onednn},
                                                {"products", Convolutions::products},
                                                {"direct", Convolutions::direct}};
  return all;
}

template <>
const base::Words<Device>& words() {
  static const base::Words<Device> all = {
      {"auto", Device::automatic}, {"cuda", Device::cuda}, {"cpu", Device::cpu}};
  return all;
}

template <>
const base::Words<Backend>& words() {
  static const base::Words<Backend> all = {
      {"auto", Backend::automatic}, {"nccl", Backend::nccl}, {"mpi", Backend::mpi}};
  return all;
}

template <>
const base::Words<BatchNorm>& words() {
  static const base::Words<BatchNorm> all = {{"local", BatchNorm::local},
                                             {"sync", BatchNorm::sync}};
  return all;
}

template <>
const base::Words<Compress>& words() {
  static const base::Words<Compress> all = {{"none", Compress::none}, {"bf16", Compress::bf16}};
  return all;
}

template <>
const base::Words<log::Level>& words() {
  static const base::Words<log::Level> all = {{"debug", log::Level::debug},
                                              {"info", log::Level::info},
                                              {"warn", log::Level::warn},
                                              {"error", log::Level::error}};
  return all;
}

}  // namespace vae_dist::config
