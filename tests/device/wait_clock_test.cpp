// Checks that a clock on a GPU never ends a run. The functions below replace CUDA's here, and
// tests/gpu measures real waits.
#include "device/cuda/wait_clock.hpp"

#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include <functional>

namespace vae_dist::device {
namespace {

struct FakeCuda {
  cudaError_t creates = cudaSuccess, records = cudaSuccess, is_ready = cudaSuccess,
              measures = cudaSuccess, finds_nodes = cudaSuccess, sets_nodes = cudaSuccess;
  float milliseconds = 0;
  bool error_is_left = false;

  cudaError_t answer(cudaError_t result) {
    if (result != cudaSuccess) error_is_left = true;
    return result;
  }
};

FakeCuda fake;

class CudaWaitClockTest : public testing::Test {
 protected:
  void SetUp() override { fake = {}; }

  // Makes a clock that knows a wait of 5 ms.
  static void measure_5_ms(CudaWaitClock& clock) {
    fake.milliseconds = 5;
    measure(clock);
    EXPECT_EQ(clock.latest(), base::Seconds(0.005));
    fake.milliseconds = 7;
  }

  // One wait for each pair of events, and more.
  static void measure(CudaWaitClock& clock) {
    for (int wait = 0; wait < 10; ++wait) {
      clock.begin();
      clock.end();
    }
  }
};

TEST_F(CudaWaitClockTest, KeepsItsLastValueWhereACallFails) {
  for (const auto fails : {&FakeCuda::records, &FakeCuda::is_ready, &FakeCuda::measures}) {
    fake = {};
    CudaWaitClock clock;
    measure_5_ms(clock);
    fake.*fails = cudaErrorIllegalAddress;
    measure(clock);
    EXPECT_EQ(clock.latest(), base::Seconds(0.005));
    EXPECT_FALSE(fake.error_is_left) << "the next call of the step would report it";
    fake.*fails = cudaSuccess;
    measure(clock);
    EXPECT_EQ(clock.latest(), base::Seconds(0.005)) << "its pairs may mix two waits";
  }
}

TEST_F(CudaWaitClockTest, MeasuresAgainOnceAPairIsReady) {
  CudaWaitClock clock;
  measure_5_ms(clock);
  fake.is_ready = cudaErrorNotReady;
  EXPECT_EQ(clock.latest(), base::Seconds(0.005));
  EXPECT_FALSE(fake.error_is_left);
  fake.is_ready = cudaSuccess;
  EXPECT_EQ(clock.latest(), base::Seconds(1e-3 * 7.0F));
}

TEST_F(CudaWaitClockTest, MeasuresNothingWithoutEvents) {
  fake.creates = cudaErrorMemoryAllocation;
  CudaWaitClock clock;
  fake.milliseconds = 5;
  measure(clock);
  EXPECT_EQ(clock.latest(), base::Seconds(0));
  EXPECT_FALSE(fake.error_is_left);
}

TEST_F(CudaWaitClockTest, LetsAGraphRunWhoseNodesItCannotRead) {
  CudaWaitClock clock;
  measure_5_ms(clock);
  fake.finds_nodes = cudaErrorInvalidValue;
  EXPECT_EQ(clock.nodes_in(nullptr), std::nullopt);
  EXPECT_EQ(clock.latest(), base::Seconds(0.005));
}

TEST_F(CudaWaitClockTest, LetsAGraphRunWhoseNodesItCannotSet) {
  CudaWaitClock clock;
  measure_5_ms(clock);
  fake.sets_nodes = cudaErrorInvalidValue;
  clock.before_launch({}, nullptr);
  EXPECT_EQ(clock.latest(), base::Seconds(0.005));
  EXPECT_FALSE(fake.error_is_left);
}

}  // namespace
}  // namespace vae_dist::device

using vae_dist::device::fake;

namespace c10::cuda {
CUDAStream getCurrentCUDAStream(DeviceIndex) {
  return CUDAStream(CUDAStream::UNCHECKED, Stream(Stream::DEFAULT, Device(kCUDA, 0)));
}
cudaStream_t CUDAStream::stream() const { return nullptr; }
}  // namespace c10::cuda

extern "C" {

cudaError_t cudaGetLastError() {
  fake.error_is_left = false;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (fake.creates == cudaSuccess) *event = reinterpret_cast<cudaEvent_t>(&fake);
  return fake.answer(fake.creates);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  EXPECT_NE(event, nullptr);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return fake.answer(fake.records); }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t, cudaStream_t, unsigned) {
  return fake.answer(fake.records);
}
cudaError_t cudaEventQuery(cudaEvent_t) { return fake.answer(fake.is_ready); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = fake.milliseconds;
  return fake.answer(fake.measures);
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t, cudaGraphNode_t*, std::size_t* count) {
  *count = 0;
  return fake.answer(fake.finds_nodes);
}
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t, cudaGraphNodeType*) { return cudaSuccess; }
cudaError_t cudaGraphEventRecordNodeGetEvent(cudaGraphNode_t, cudaEvent_t*) { return cudaSuccess; }
cudaError_t cudaGraphExecEventRecordNodeSetEvent(cudaGraphExec_t, cudaGraphNode_t, cudaEvent_t) {
  return fake.answer(fake.sets_nodes);
}

}  // extern "C"
