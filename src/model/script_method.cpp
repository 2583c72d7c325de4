#include "model/script_method.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <mutex>
#include <ranges>
#include <stdexcept>

#include "base/text.hpp"
#include "model/torch_error.hpp"

namespace vae_dist::model {
namespace {

// Whether an operation draws random numbers, in training mode at least. Recurrent layers drop out
// inside one operation.
bool draws_numbers_in(const torch::jit::Node& node) {
  const c10::FunctionSchema* const schema = node.maybeSchema();
  if (!schema) return false;
  for (const c10::Argument& argument : schema->arguments())
    if (argument.name().find("dropout") != std::string::npos) return true;
  const auto operation = c10::Dispatcher::singleton().findSchema(schema->operator_name());
  return operation && operation->hasTag(at::Tag::nondeterministic_seeded);
}

}  // namespace

torch::jit::Module load_script(const std::string& file) {
  torch::jit::getExecutorMode() = true;
  torch::jit::getProfilingMode() = false;
  try {
    return torch::jit::load(file, c10::kCPU);
  } catch (const c10::Error& error) {
    const std::string whole = said_by(error);
    throw std::invalid_argument(base::text(file,
                                           " cannot be read as TorchScript (the file that "
                                           "torch.jit.script(network).save(FILE) writes): ",
                                           whole.substr(0, whole.find('\n'))));
  }
}

class ScriptMethod::Reader {
 public:
  Reader(ScriptMethod& method, const std::shared_ptr<torch::jit::Graph>& graph)
      : method_(method), aliases_(graph) {
    note_statistics(graph->block());
    look_at(graph->block());
    for (std::size_t i = 1; i < graph->inputs().size(); ++i)  // behind self
      if (aliases_.hasWriters(graph->inputs()[i])) method_.changed_arguments_.insert(i - 1);
  }

 private:
  void look_at(torch::jit::Block* block) {
    for (torch::jit::Node* const node : block->nodes()) {
      if (draws_numbers_in(*node)) method_.draws_ = true;
      // What a method makes and drops may have attributes: `with torch.no_grad()` does.
      if (node->kind() == c10::prim::SetAttr &&
          node->input(0)->node()->kind() != c10::prim::CreateObject)
        throw std::invalid_argument(
            base::text(method_.key_, ": the script assigns self.", node->s(c10::attr::name),
                       ", which would be neither kept nor equal on all ranks. Make it a buffer "
                       "(register_buffer) and change it in place: self.",
                       node->s(c10::attr::name), ".copy_(...) or .add_(...)"));
      if (node->hasAttribute(c10::attr::Subgraph))
        throw std::invalid_argument(base::text(
            method_.key_, ": the script uses ", node->kind().toQualString(),
            " (torch.jit.fork), inside which its draws and changes cannot be seen. Call the "
            "function directly"));
      look_at_writes(*node);
      if (node->kind() == c10::prim::GetAttr && is_tensor(*node->output()) &&
          is_changed(node->output()))
        note_change_of(*node);
      for (torch::jit::Value* const value : node->outputs())
        if (value->type()->kind() == c10::TypeKind::GeneratorType)
          throw std::invalid_argument(
              base::text(method_.key_,
                         ": the script has a random generator of its own, whose draws would "
                         "depend on the number of ranks. Draw without one: the program seeds "
                         "the default generator for each replica of a step"));
      for (torch::jit::Block* const inner : node->blocks()) look_at(inner);
    }
  }

  static bool is_tensor(const torch::jit::Value& value) {
    return value.type()->isSubtypeOf(*c10::OptionalType::ofTensor());
  }

  // What a value is, or is part of: an element of a list, a view of a tensor.
  static const torch::jit::Node& origin_of(const torch::jit::Node& node) {
    const c10::FunctionSchema* const schema = node.maybeSchema();
    const bool is_part =
        node.kind() == c10::prim::ListUnpack || node.kind() == c10::prim::TupleUnpack ||
        node.kind() == c10::prim::TupleIndex ||
        (schema && !schema->returns().empty() && schema->returns()[0].alias_info());
    return is_part && !node.inputs().empty() ? origin_of(*node.input(0)->node()) : node;
  }

  void look_at_writes(const torch::jit::Node& node) const {
    const c10::FunctionSchema* const schema = node.maybeSchema();
    for (std::size_t i = 0; schema && i < schema->arguments().size(); ++i) {
      if (!schema->is_mutable({c10::SchemaArgType::input, i})) continue;
      const torch::jit::Node& origin = origin_of(*node.input(i)->node());
      if (origin.kind() == c10::prim::GetAttr && !is_tensor(*origin.output()))
        throw std::invalid_argument(
            base::text(method_.key_, ": the script changes self.", origin.s(c10::attr::name),
                       ", a ", origin.output()->type()->annotation_str(),
                       ", which would be neither kept nor equal on all ranks. Make it a buffer "
                       "(register_buffer) and change it in place"));
    }
  }

  // Normalisations change their running statistics, which their schemas do not say.
  void note_statistics(torch::jit::Block* block) {
    for (torch::jit::Node* const node : block->nodes()) {
      const c10::FunctionSchema* const schema = node->maybeSchema();
      for (std::size_t i = 0; schema && i < schema->arguments().size(); ++i)
        if (schema->arguments()[i].name().starts_with("running_"))
          statistics_.push_back(node->input(i));
      for (torch::jit::Block* const inner : node->blocks()) note_statistics(inner);
    }
  }

  bool is_changed(torch::jit::Value* value) const {
    return aliases_.hasWriters(value) ||
           std::any_of(statistics_.begin(), statistics_.end(),
                       [&](torch::jit::Value* other) { return aliases_.mayAlias(value, other); });
  }

  // Notes the tensor behind self.a.b.c.
  void note_change_of(const torch::jit::Node& node) {
    std::vector<std::string> names;
    const torch::jit::Node* owner = &node;
    for (; owner->kind() == c10::prim::GetAttr; owner = owner->input()->node())
      names.push_back(owner->s(c10::attr::name));
    if (owner->kind() != c10::prim::Param) {  // a module that is chosen while the method runs
      method_.changes_any_ = true;
      return;
    }
    torch::jit::IValue value = method_.script_._ivalue();
    for (const std::string& name : std::ranges::reverse_view(names))
      value = value.toObjectRef().getAttr(name);
    if (value.isTensor()) method_.changed_.insert(value.toTensor().unsafeGetTensorImpl());
  }

  ScriptMethod& method_;
  const torch::jit::AliasDb aliases_;
  std::vector<torch::jit::Value*> statistics_;  // that normalisations write to
};

ScriptMethod::ScriptMethod(torch::jit::Module script, const std::string& method,
                           const std::string& key)
    : script_(std::move(script)), key_(key) {
  name_ = script_.find_method(method) ? method : "forward";
  if (!script_.find_method(name_))
    throw std::invalid_argument(base::text(key_, ": the script has neither a method ", method,
                                           " nor a method forward (a module exports others than "
                                           "forward with @torch.jit.export)"));
  const auto graph = script_.get_method(name_).graph()->copy();
  torch::jit::Inline(*graph);
  Reader(*this, graph);
}

bool ScriptMethod::takes(std::size_t count) const {
  const auto& arguments = script_.get_method(name_).function().getSchema().arguments();
  const auto needed = std::count_if(arguments.begin() + 1, arguments.end(),
                                    [](const auto& each) { return !each.default_value(); });
  return static_cast<std::size_t>(needed) <= count && count < arguments.size();
}

std::string ScriptMethod::name() const { return base::text(key_, " (", name_, ")"); }

torch::jit::IValue ScriptMethod::run(std::vector<torch::jit::IValue> arguments) const {
  return script_.get_method(name_)(std::move(arguments));
}

void seed_script_draws(c10::Device device, std::uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(seed);
}

}  // namespace vae_dist::model
