// The verbs of `vae_dist data`, each in its own file.
#pragma once

#include "launcher/verbs.hpp"

namespace vae_dist::launcher {

void add_data_make_shapes(CLI::App& data, VerbContext& context);
void add_data_make_fields(CLI::App& data, VerbContext& context);
void add_data_make_showers(CLI::App& data, VerbContext& context);
void add_data_import_idx(CLI::App& data, VerbContext& context);
void add_data_import_images(CLI::App& data, VerbContext& context);
void add_data_import_npz(CLI::App& data, VerbContext& context);
void add_data_convert(CLI::App& data, VerbContext& context);
void add_data_info(CLI::App& data, VerbContext& context);
void add_data_verify(CLI::App& data, VerbContext& context);

}  // namespace vae_dist::launcher
