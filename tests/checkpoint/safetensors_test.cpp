#include "checkpoint/safetensors.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/durable_file.hpp"
#include "fixtures.hpp"

namespace vae_dist::checkpoint {
namespace {

using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

TensorFile one(const at::Tensor& tensor) { return {{{"x", tensor}}, {}}; }

TensorFile one_of_each_type() {
  return {{{"b", at::tensor({1.0f, 2.0f, 3.0f})},
           {"a", at::tensor({7}, at::kByte)},
           {"n", at::scalar_tensor(5, at::kLong)},
           {"d", at::tensor({0.5}, at::kDouble).reshape({1, 1})},
           {"h", at::tensor({1.5f}).to(at::kBFloat16)},
           {"e", at::zeros({0, 3})}},
          {{"k", "v"}}};
}

// The output of safetensors.torch.save(...) of Python's safetensors 0.8.0 for the same tensors.
const std::string kReferenceBytes =
    "\x68\x01\0\0\0\0\0\0"
    R"({"__metadata__":{"k":"v"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
    R"("d":{"dtype":"F64","shape":[1,1],"data_offsets":[8,16]},"b":{"dtype":"F32","shape":[3],"data_offsets":[16,28]},)"
    R"("e":{"dtype":"F32","shape":[0,3],"data_offsets":[28,28]},"h":{"dtype":"BF16","shape":[1],"data_offsets":[28,30]},)"
    R"("a":{"dtype":"U8","shape":[1],"data_offsets":[30,31]}}    )"
    "\x05\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\xe0\x3f"
    "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40"
    "\xc0\x3f"
    "\x07"s;

TEST(Safetensors, WritesTheBytesOfTheReferenceImplementation) {
  EXPECT_EQ(encode_safetensors(one_of_each_type()), kReferenceBytes);
  EXPECT_EQ(encode_safetensors({}), "\x08\0\0\0\0\0\0\0{}      "s);
  EXPECT_EQ(encode_safetensors({{{"\xc3\xa9\"\x1f\x7f/", at::tensor({1.0f})}}, {}}),
            "\x48\0\0\0\0\0\0\0{\"\xc3\xa9\\\"\\u001f\x7f/\":"
            "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}       \0\0\x80\x3f"s);
}

TEST(Safetensors, ReadsBackEveryType) {
  const auto written = one_of_each_type();
  const auto read = decode_safetensors(kReferenceBytes, "x.safetensors");
  EXPECT_EQ(read.metadata, written.metadata);
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (const auto& [name, tensor] : written.tensors) {
    ASSERT_TRUE(read.tensors.contains(name)) << name;
    EXPECT_EQ(read.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(read.tensors.at(name).sizes(), tensor.sizes()) << name;
    EXPECT_TRUE(at::equal(read.tensors.at(name), tensor)) << name;
  }
}

TEST(Safetensors, ReadsAnyOrderAndSpacingThatTheFormatAllows) {
  const auto read =
      decode_safetensors(file_of(R"({ "late" : {"shape":[2], "data_offsets":[1,9], "dtype":"F32"},
                                                   "early": {"dtype":"U8","shape":[1],"data_offsets":[0,1]} } )",
                                 "\x2a\0\0\x80\x3f\0\0\0\xc0"s),
                         "x");
  EXPECT_TRUE(at::equal(read.tensors.at("early"), at::tensor({42}, at::kByte)));
  EXPECT_TRUE(at::equal(read.tensors.at("late"), at::tensor({1.0f, -2.0f})));
}

TEST(Safetensors, KeepsTheBitsOfNanAndInfinity) {
  using Limits = std::numeric_limits<float>;
  const auto values =
      at::tensor({std::nanf("7"), -Limits::infinity(), -0.0f, Limits::denorm_min()});
  const auto read = decode_safetensors(encode_safetensors(one(values)), "x").tensors.at("x");
  EXPECT_EQ(std::memcmp(read.const_data_ptr(), values.const_data_ptr(), values.nbytes()), 0);
}

TEST(Safetensors, EqualTensorsGiveEqualBytesWhateverTheirStrides) {
  const auto plain = at::arange(120, at::kFloat).reshape({2, 3, 4, 5});
  const auto expected = encode_safetensors(one(plain));
  const auto channels_last = plain.contiguous(at::MemoryFormat::ChannelsLast);
  ASSERT_FALSE(channels_last.is_contiguous());
  EXPECT_EQ(encode_safetensors(one(channels_last)), expected);
  EXPECT_EQ(encode_safetensors(one(plain.transpose(1, 3).contiguous().transpose(1, 3))), expected);

  auto arena = at::zeros({200});
  arena.slice(0, 64, 184).copy_(plain.reshape({120}));
  EXPECT_EQ(encode_safetensors(one(arena.slice(0, 64, 184).view({2, 3, 4, 5}))), expected)
      << "a view into an arena";
}

TEST(Safetensors, ReadTensorsOwnTheirContiguousData) {
  std::string bytes = encode_safetensors(one(
      at::arange(12, at::kFloat).reshape({1, 3, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast)));
  const auto read = decode_safetensors(bytes, "x").tensors.at("x");
  std::ranges::fill(bytes, '\xff');
  EXPECT_TRUE(read.is_contiguous());
  EXPECT_TRUE(at::equal(read.reshape({12}), at::arange(12, at::kFloat)));
}

TEST(Safetensors, RefusesAFileCutShortAtAnyByte) {
  for (std::size_t length = 0; length < kReferenceBytes.size(); ++length)
    EXPECT_THAT(message_of<base::BadInput>([&] {
                  decode_safetensors(kReferenceBytes.substr(0, length), "runs/x.safetensors");
                }),
                StartsWith("runs/x.safetensors: "))
        << length;
}

TEST(Safetensors, AFlippedBitIsReadOrRefusedAndNothingElse) {
  int refused = 0;
  for (std::size_t byte = 0; byte < kReferenceBytes.size(); ++byte)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = kReferenceBytes;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
      try {
        decode_safetensors(damaged, "x");
      } catch (const base::BadInput&) {
        ++refused;
      }
    }
  EXPECT_GT(refused, 1000) << "of " << 8 * kReferenceBytes.size();
}

TEST(Safetensors, RefusesMalformedFilesWithTheReason) {
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return R"({"x":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  std::string many_dimensions = "[1";
  for (int i = 0; i < 64; ++i) many_dimensions += ",1";
  many_dimensions += "]";

  struct Case {
    std::string bytes, reason;
  };
  const Case cases[] = {
      {"", "0 bytes are too few"},
      {"\xff\xff\xff\xff\xff\xff\xff\xff{}"s, "its header claims 18446744073709551615 bytes"},
      {"\x03\0\0\0\0\0\0\0{}"s, "its header claims 3 bytes"},
      {file_of("{}" + std::string(100'000'000, ' '), ""), "over the limit"},
      {file_of("", ""), "does not start with '{'"},
      {file_of(" {}", ""), "does not start with '{'"},
      {file_of("[]", ""), "does not start with '{'"},
      {file_of("{", ""), "invalid JSON"},
      {file_of("{}x", ""), "invalid JSON"},
      {file_of("{\"\xff\":1}", ""), "invalid JSON"},
      {file_of(R"({"x":)" + std::string(1'000'000, '[') + "}", ""), "nested deeper"},
      {file_of(R"({"x":)" + std::string(9, '[') + std::string(9, ']') + "}", ""), "nested deeper"},
      {file_of(R"({"x":1e999})", ""), "damaged"},
      {file_of(R"({"x":3})", ""), "tensor 'x' is not described"},
      {file_of(R"({"x":{"dtype":"F32","shape":[1]}})", "abcd"), "tensor 'x' is not described"},
      {file_of(R"({"x":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", "abcd"),
       "tensor 'x' is not described"},
      {file_of(tensor("F32", "1", "[0,4]"), "abcd"), "tensor 'x' is not described"},
      {file_of(tensor("F32", "[1.0]", "[0,4]"), "abcd"), "tensor 'x' is not described"},
      {file_of(tensor("F32", "[-1]", "[0,4]"), "abcd"), "tensor 'x' is not described"},
      {file_of(tensor("F32", "[18446744073709551615]", "[0,4]"), "abcd"),
       "tensor 'x' is not described"},
      {file_of(tensor("F32", "[1]", "[0,4,4]"), "abcd"), "tensor 'x' is not described"},
      {file_of(tensor("F32", "[1]", "[0,-4]"), "abcd"), "tensor 'x' is not described"},
      {file_of(tensor("F32", many_dimensions, "[0,4]"), "abcd"), "tensor 'x' is not described"},
      {file_of(tensor("F8_E4M3", "[4]", "[0,4]"), "abcd"), "tensor 'x' has type F8_E4M3"},
      {file_of(tensor("F32", "[4611686018427387904,4]", "[0,0]"), ""), "impossible shape"},
      {file_of(tensor("F32", "[0,4611686018427387904,4]", "[0,0]"), ""), "impossible shape"},
      {file_of(tensor("F32", "[2]", "[0,4]"), "abcd"), "does not fit its bytes 0 to 4"},
      {file_of(tensor("F32", "[1]", "[4,0]"), "abcd"), "does not fit its bytes 4 to 0"},
      {file_of(tensor("F32", "[1]", "[4,8]"), "abcdabcd"),
       "starts at byte 4 of the data instead of 0"},
      {file_of(tensor("F32", "[1]", "[0,4]"), "abcde"),
       "holds 5 bytes of data, but its header says 4"},
      {file_of(tensor("F32", "[1000000000]", "[0,4000000000]"), "abcd"),
       "holds 4 bytes of data, but its header says 4000000000"},
      {file_of(
           R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           "abcd"),
       "tensor 'y' starts at byte 2"},
      {file_of(
           R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           "abcd"),
       "tensor 'y' starts at byte 2"},
      {file_of(
           R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
           "a"),
       "'x' occurs twice"},
      {file_of(R"({"x":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a"),
       "'dtype' occurs twice"},
      {file_of(R"({"__metadata__":{"k":1}})", ""), "__metadata__ is not a map of strings"},
      {file_of(R"({"__metadata__":["k"]})", ""), "__metadata__ is not a map of strings"},
  };
  for (const auto& [bytes, reason] : cases)
    EXPECT_THAT(message_of<base::BadInput>(
                    [&bytes = bytes] { decode_safetensors(bytes, "runs/x.safetensors"); }),
                AllOf(StartsWith("runs/x.safetensors: "), HasSubstr(reason)))
        << bytes.substr(0, 200);
}

TEST(Safetensors, DoesNotWriteWhatItCouldNotReadBack) {
  EXPECT_THAT(message_of<base::BadInput>(
                  [] { encode_safetensors(one(at::zeros({1}, at::kComplexFloat))); }),
              HasSubstr("tensor 'x' has type ComplexFloat"));
  EXPECT_THAT(message_of<base::BadInput>([] { encode_safetensors(one(at::Tensor())); }),
              HasSubstr("tensor 'x' is undefined"));
  EXPECT_THAT(message_of<base::BadInput>(
                  [] { encode_safetensors({{{"__metadata__", at::zeros({1})}}, {}}); }),
              HasSubstr("__metadata__"));
  EXPECT_THAT(
      message_of<base::BadInput>([] { encode_safetensors({{{"\xff", at::zeros({1})}}, {}}); }),
      HasSubstr("not UTF-8"));
}

TEST(Safetensors, FilesAreReplacedAndErrorsNameThem) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "weights.safetensors";
  EXPECT_THAT(message_of<base::BadInput>([&] { read_safetensors(path); }),
              HasSubstr(path.string()));
  write_safetensors(path, one(at::tensor({1.0f})));
  write_safetensors(path, one(at::tensor({2.0f})));
  EXPECT_TRUE(at::equal(read_safetensors(path).tensors.at("x"), at::tensor({2.0f})));
  EXPECT_EQ(directory.names(), std::set<std::string>{"weights.safetensors"});
  base::write_and_sync(path, "not this");
  EXPECT_THAT(message_of<base::BadInput>([&] { read_safetensors(path); }),
              HasSubstr(path.string()));
}

}  // namespace
}  // namespace vae_dist::checkpoint
