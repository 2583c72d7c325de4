#include "model/initial_weights.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include <stdexcept>

namespace vae_dist::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct WithEmbedding : torch::nn::Module {
  WithEmbedding() {
    register_module("first", torch::nn::Linear(3, 2));
    register_module("classes", torch::nn::Embedding(4, 2));
  }
};

struct OwnParameter : torch::nn::Module {
  OwnParameter() { register_parameter("scale", at::rand({2})); }
};

struct DeclaredParameter : torch::nn::Module, BeginsAsConstructed {
  DeclaredParameter() { register_parameter("scale", at::full({2}, 3.0)); }
};

struct LinearWithGain : torch::nn::LinearImpl {
  LinearWithGain() : LinearImpl(3, 2) { register_parameter("gain", at::rand({2})); }
};

std::string refused(torch::nn::Module& network) {
  try {
    draw_initial_weights(network, 7);
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "not refused";
}

TEST(InitialWeights, OfLayersThatNobodyKnowsAreRefusedByName) {
  const auto network = std::make_shared<WithEmbedding>();
  EXPECT_THAT(refused(*network), AllOf(HasSubstr("\n  classes ("), Not(HasSubstr("\n  first ("))));
  const auto own = std::make_shared<OwnParameter>();
  EXPECT_THAT(refused(*own), HasSubstr("BeginsAsConstructed"));
  const auto derived = std::make_shared<LinearWithGain>();
  EXPECT_THAT(refused(*derived), HasSubstr("BeginsAsConstructed"))
      << "a known layer with a parameter of its own";
}

TEST(InitialWeights, ThatBeginAsConstructedStay) {
  const auto declared = std::make_shared<DeclaredParameter>();
  draw_initial_weights(*declared, 7);
  EXPECT_TRUE(declared->parameters()[0].equal(at::full({2}, 3.0)));
}

TEST(InitialWeights, AreDrawnForLayersWithoutBiasesToo) {
  torch::nn::Linear one(torch::nn::LinearOptions(4, 3).bias(false)),
      other(torch::nn::LinearOptions(4, 3).bias(false));
  draw_initial_weights(*one, 7);
  draw_initial_weights(*other, 7);
  EXPECT_TRUE(one->weight.equal(other->weight));
  EXPECT_LE(one->weight.abs().max().item<float>(), 0.5F) << "1 / sqrt(fan_in)";
}

}  // namespace
}  // namespace vae_dist::model
