#include <iostream>
#include <memory>
#include <sstream>

#include "launcher/image_output.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::launcher {
namespace {

struct InterpolateOptions {
  ModelChoice model;
  ComputeOptions compute;
  std::string rows = "0:16", pairs, out;
  inference::DataChoice data;
  std::string condition;
  std::int64_t steps = 9;
  bool spherical = false;
};

// Parses pairs of rows: "3:9,12:40" is from row 3 to row 9 and from row 12 to row 40.
std::vector<evaluate::RowPair> named_pairs(const std::string& pairs, std::int64_t size) {
  std::vector<evaluate::RowPair> out;
  std::istringstream in(pairs);
  for (std::string part; std::getline(in, part, ',');) {
    std::istringstream numbers(part);
    evaluate::RowPair pair;
    char colon = 0;
    if (!(numbers >> pair.first >> colon >> pair.second) || colon != ':' ||
        !(numbers >> std::ws).eof() || pair.first < 0 || pair.second < 0)
      throw base::BadInput(base::text(
          "--pairs ", pairs, ": give rows as FROM:TO, separated by commas, for example 3:9,12:40"));
    if (std::max(pair.first, pair.second) >= size)
      throw base::BadInput(base::text("--pairs ", pairs, ": there are ", size,
                                      " images; the last is row ", size - 1));
    out.push_back(pair);
  }
  if (out.empty())
    throw base::BadInput("--pairs is empty: give rows as FROM:TO, for example 3:9,12:40");
  return out;
}

// Pairs the rows of A:B: A with A+1, A+2 with A+3, ...
std::vector<evaluate::RowPair> neighbours(const std::string& rows, std::int64_t size) {
  const arrays::RowRange range = inference::chosen_rows(rows, size);
  if (range.size() % 2 != 0)
    throw base::BadInput(
        base::text("--rows ", rows, ": these are ", range.size(),
                   " rows. Give an even number, because the rows are used in pairs"));
  std::vector<evaluate::RowPair> out;
  for (std::int64_t row = range.first; row < range.last; row += 2) out.emplace_back(row, row + 1);
  return out;
}

void interpolate_rows(const InterpolateOptions& options, const VerbContext& context) {
  const OutputKind kind = output_kind(options.out);
  const inference::TrainedModel trained = load_chosen_model(options.model);
  inference::require_encoder(trained, "interpolate between");
  const data::SampleDataset data = inference::open_chosen_data(trained, options.data);
  const std::vector<evaluate::RowPair> pairs = options.pairs.empty()
                                                   ? neighbours(options.rows, data.size())
                                                   : named_pairs(options.pairs, data.size());

  const c10::Device device = use_device(options.compute, context.world);
  trained.model->to(device);
  const data::InputFormat format = input::input_format(trained.config, data, device);
  const evaluate::Interpolations walks =
      evaluate::interpolate(*trained.model, data, pairs, options.steps,
                            options.spherical ? evaluate::Path::spherical : evaluate::Path::linear,
                            format, written_condition(options.condition, trained));
  const char* kind_of_path = options.spherical ? "spherical" : "linear";
  if (kind == OutputKind::png) {
    report::write_interpolation_grid(options.out, walks, report::showing_of(format, data),
                                     base::text(trained.config.run.name, ": ", kind_of_path,
                                                " interpolations, step ", trained.state.step));
  } else {
    const auto normaliser = inference::normaliser_of(trained);
    NamedTensors all = samples_for_file("originals", walks.originals, normaliser.get());
    for (auto& made : samples_for_file("interpolations", walks.images, normaliser.get()))
      all.push_back(std::move(made));
    all.push_back({"z", walks.z});
    write_tensors_hdf5(options.out, all);
  }
  std::cout << pairs.size() << " " << kind_of_path << " interpolations by "
            << trained.origin.string() << " are in " << options.out << "\n";
}

}  // namespace

void add_interpolate_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<InterpolateOptions>();
  CLI::App* verb = app.add_subcommand(
      "interpolate",
      "Decode the path between the latent codes of two images, one row of the picture per pair");
  add_checkpoint_option(*verb, context, options->model);
  add_data_options(*verb, context, options->data);
  add_condition_option(*verb, options->condition,
                       "default: each row's own, on a straight line from one to the other");
  CLI::Option* rows =
      verb->add_option("--rows", options->rows,
                       "Rows A:B, excluding B, in pairs: A with A+1, A+2 with A+3, ...")
          ->capture_default_str();
  verb->add_option("--pairs", options->pairs, "Rows as FROM:TO, separated by commas: 3:9,12:40")
      ->excludes(rows);
  verb->add_option("--steps", options->steps, "Images per pair, including both ends")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  verb->add_flag("--spherical", options->spherical,
                 "Follow the arc between both codes (Shoemake's slerp) instead of a straight line");
  context.files
      .add_output(*verb, "--out", options->out,
                  "Output file: .png (a labelled grid) or .h5 (`originals` [P, 2, C, H, W], "
                  "`interpolations` [P, S, C, H, W], `z` [P, S, L])")
      ->required();
  add_device_option(*verb, options->compute);
  verb->footer(
      "Example:\n  vae_dist interpolate --checkpoint runs/mnist --pairs 3:9,12:40 --spherical "
      "--out interpolations.png");
  verb->callback([&context, options] {
    context.chosen =
        on_one_rank(context, [&context, options] { interpolate_rows(*options, context); });
  });
}

}  // namespace vae_dist::launcher
