#include "input/batch_tensors.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../data/image_files.hpp"
#include "data/batch_maker.hpp"

namespace vae_dist::input {
namespace {

using ImageTensor = data::ImageFileTest;

// Mirroring on the device must give the same images as mirroring in the loader's thread.
TEST_F(ImageTensor, MirrorsTheImagesThatTheLoaderLeavesToIt) {
  for (const arrays::SampleLayout& layout :
       {arrays::SampleLayout("HW"), arrays::SampleLayout("HWC")}) {
    const bool coloured = layout == arrays::SampleLayout("HWC");
    const data::SampleDataset dataset = open(coloured ? make_images("coloured.h5", {24, 4, 5, 3})
                                                      : make_images("grey.h5", {24, 4, 5}));
    ASSERT_EQ(dataset.layout(), layout);
    data::BatchPlan plan;
    plan.seed = 1265;
    plan.global_batch = plan.count = 24;
    plan.flips = "HW";
    data::BatchPlan later = plan;
    later.flip_on_device = true;
    for (const bool channels_last : {true, false}) {
      const data::InputFormat format{.shape = dataset.shape(),
                                     .layout = layout,
                                     .scale = dataset.scale(),
                                     .low = -1,
                                     .channels_last = channels_last,
                                     .flips = "HW"};
      for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
        const data::Batch mirrored = data::make_batch(dataset, plan, epoch, 0),
                          plain = data::make_batch(dataset, later, epoch, 0);
        EXPECT_TRUE(mirrored.mirrored.empty());
        ASSERT_EQ(plain.mirrored.size(), 24U);
        ASSERT_FALSE(plain.pixels == mirrored.pixels);
        const at::Tensor expected = model_batch(stored_batch(mirrored, format), format).x,
                         images = model_batch(stored_batch(plain, format), format).x;
        EXPECT_TRUE(images.equal(expected)) << "epoch " << epoch;
        EXPECT_EQ(images.strides(), expected.strides());
      }
    }
  }
}

}  // namespace
}  // namespace vae_dist::input
