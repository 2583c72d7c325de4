// The transforms.
#include <ATen/ATen.h>

#include "data/transform.hpp"

namespace vae_dist::data {
namespace {

const RegisteredTransform kNone({{.name = "none", .help = "the values as they are"}},
                                {[](const at::Tensor& x) { return x; },
                                 [](const at::Tensor& y) { return y; },
                                 [](const at::Tensor& x) { return at::zeros_like(x); }});

const RegisteredTransform kLog1p({{.name = "log1p", .help = "log(1 + x), for x above -1"}},
                                 {[](const at::Tensor& x) { return at::log1p(x); },
                                  [](const at::Tensor& y) { return at::expm1(y); },
                                  [](const at::Tensor& x) { return -at::log1p(x); }, -1.0});

const RegisteredTransform kLog({{.name = "log", .help = "log(x), for x above 0"}},
                               {[](const at::Tensor& x) { return at::log(x); },
                                [](const at::Tensor& y) { return at::exp(y); },
                                [](const at::Tensor& x) { return -at::log(x); }, 0.0});

const RegisteredTransform kSqrt(
    {{.name = "sqrt", .help = "the square root, for x from 0 on"}},
    {[](const at::Tensor& x) { return at::sqrt(x); },
     // A model may give a root below 0, of which no value has the square.
     [](const at::Tensor& y) { return at::square(at::clamp_min(y, 0)); },
     [](const at::Tensor& x) { return -at::log(at::sqrt(x) * 2); }, 0.0, /*includes_bound=*/true});

const RegisteredTransform kAsinh(
    {{.name = "asinh", .help = "log(x + sqrt(x^2 + 1)), a logarithm for both signs"}},
    {[](const at::Tensor& x) { return at::asinh(x); },
     [](const at::Tensor& y) { return at::sinh(y); },
     [](const at::Tensor& x) { return at::log1p(at::square(x)) * -0.5; }});

}  // namespace

}  // namespace vae_dist::data
