// An evaluation as a line for people.
#pragma once

#include <string>

#include "evaluate/evaluation.hpp"

namespace vae_dist::evaluate {

/// "loss 0.0123, MSE 0.0053 (mean image 0.031), KL 12.2 nats, ELBO -89.9 nats, ...".
std::string evaluation_text(const Evaluation& result, double mean_image_mse);

}  // namespace vae_dist::evaluate
