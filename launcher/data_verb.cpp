#include "launcher/data_verbs.hpp"

namespace vae_dist::launcher {

void add_data_verb(CLI::App& app, VerbContext& context) {
  CLI::App* verb = app.add_subcommand("data", "Make, import, convert and check datasets");
  verb->require_subcommand(1);
  add_data_make_shapes(*verb, context);
  add_data_make_fields(*verb, context);
  add_data_make_showers(*verb, context);
  add_data_import_idx(*verb, context);
  add_data_import_images(*verb, context);
  add_data_import_npz(*verb, context);
  add_data_convert(*verb, context);
  add_data_info(*verb, context);
  add_data_verify(*verb, context);
}

}  // namespace vae_dist::launcher
