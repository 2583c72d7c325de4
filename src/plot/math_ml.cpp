#include "plot/math_ml.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace vae_dist::plot {
namespace {

const std::map<std::string, std::string, std::less<>> kLetters = {
    {"alpha", "α"},  {"beta", "β"},  {"gamma", "γ"}, {"delta", "δ"}, {"epsilon", "ε"},
    {"zeta", "ζ"},   {"eta", "η"},   {"theta", "θ"}, {"kappa", "κ"}, {"lambda", "λ"},
    {"mu", "μ"},     {"nu", "ν"},    {"xi", "ξ"},    {"pi", "π"},    {"rho", "ρ"},
    {"sigma", "σ"},  {"tau", "τ"},   {"phi", "φ"},   {"chi", "χ"},   {"psi", "ψ"},
    {"omega", "ω"},  {"Gamma", "Γ"}, {"Delta", "Δ"}, {"Theta", "Θ"}, {"Lambda", "Λ"},
    {"Sigma", "Σ"},  {"Phi", "Φ"},   {"Psi", "Ψ"},   {"Omega", "Ω"}, {"infty", "∞"},
    {"partial", "∂"}};
const std::map<std::string, std::string, std::less<>> kOperators = {
    {"cdot", "·"}, {"times", "×"}, {"le", "≤"},   {"ge", "≥"}, {"sim", "∼"},   {"approx", "≈"},
    {"in", "∈"},   {"to", "→"},    {"odot", "⊙"}, {"pm", "±"}, {"ldots", "…"}, {"ne", "≠"}};
const std::map<std::string, std::string, std::less<>> kAccents = {
    {"hat", "^"}, {"bar", "‾"}, {"tilde", "~"}};
const std::map<char, std::string> kCalligraphic = {{'D', "𝒟"}, {'L', "ℒ"}, {'N', "𝒩"}, {'U', "𝒰"}};
const std::map<char, std::string> kBlackboard = {{'E', "𝔼"}, {'N', "ℕ"}, {'R', "ℝ"}};

std::string tagged(const std::string& tag, const std::string& content) {
  return "<" + tag + ">" + content + "</" + tag + ">";
}

class Formula {
 public:
  explicit Formula(std::string_view source) : source_(source) {}

  std::string whole() {
    const std::string out = row();
    if (at_ != source_.size()) refuse("unmatched }");
    return out;
  }

 private:
  struct Atom {
    std::string source;
    bool limits = false;  ///< scripts are set under and over instead of as sub- and superscripts
    bool spaced =
        false;  ///< a function name: a thin space separates it from an argument without parentheses
  };

  [[noreturn]] void refuse(const std::string& what) const {
    throw base::BadInput(base::text("formula \"", source_, "\": ", what));
  }

  bool skip_spaces() {
    while (at_ < source_.size() && source_[at_] == ' ') ++at_;
    return at_ < source_.size();
  }

  std::string row() {
    std::string out;
    while (skip_spaces() && source_[at_] != '}') out += with_scripts();
    return out;
  }

  std::string with_scripts() {
    const Atom base = atom();
    std::optional<std::string> below, above;
    while (skip_spaces() && (source_[at_] == '_' || source_[at_] == '^')) {
      std::optional<std::string>& script = source_[at_++] == '_' ? below : above;
      if (script) refuse("two scripts in one place");
      script = atom().source;
    }
    const bool parenthesis = at_ < source_.size() && (source_[at_] == '(' || source_[at_] == '[');
    const std::string space = base.spaced && !parenthesis ? "<mspace width=\"0.17em\"/>" : "";
    if (below && above)
      return tagged(base.limits ? "munderover" : "msubsup", base.source + *below + *above) + space;
    if (below) return tagged(base.limits ? "munder" : "msub", base.source + *below) + space;
    if (above) return tagged(base.limits ? "mover" : "msup", base.source + *above) + space;
    return base.source + space;
  }

  Atom atom() {
    if (!skip_spaces()) refuse("it ends where a symbol is expected");
    const char c = source_[at_];
    if (c == '{') return {group()};
    if (c == '}') refuse("a } where a symbol is expected");
    if (c == '\\') return command();
    if (std::isdigit(static_cast<unsigned char>(c))) return {number()};
    ++at_;
    if (std::isalpha(static_cast<unsigned char>(c))) return {tagged("mi", std::string(1, c))};
    if (c == '-') return {tagged("mo", "−")};
    // stretchy="false" keeps the size of bars: a browser would stretch them over the row.
    if (c == '|') return {"<mo stretchy=\"false\" lspace=\"0.1em\" rspace=\"0.1em\">|</mo>"};
    if (c == '(' || c == ')' || c == '[' || c == ']')
      return {"<mo stretchy=\"false\">" + std::string(1, c) + "</mo>"};
    if (static_cast<unsigned char>(c) >= 0x80)
      refuse("a character that is not ASCII; use a command for letters and signs");
    return {tagged("mo", html_escaped(std::string(1, c)))};
  }

  std::string group() {
    ++at_;
    const std::string out = row();
    if (at_ == source_.size()) refuse("unmatched {");
    ++at_;
    return tagged("mrow", out);
  }

  std::string number() {
    std::size_t end = at_;
    while (end < source_.size() && (std::isdigit(static_cast<unsigned char>(source_[end])) ||
                                    (source_[end] == '.' && end + 1 < source_.size() &&
                                     std::isdigit(static_cast<unsigned char>(source_[end + 1])))))
      ++end;
    const std::string out(source_.substr(at_, end - at_));
    at_ = end;
    return tagged("mn", out);
  }

  std::string argument() {
    if (!skip_spaces() || source_[at_] != '{') refuse("a command without its {argument}");
    return group();
  }

  // Reads text verbatim, including spaces.
  std::string words() {
    const std::size_t end = source_.find('}', at_);
    if (at_ == source_.size() || source_[at_] != '{' || end == std::string_view::npos)
      refuse("a command without its {words}");
    const std::string out(source_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return out;
  }

  Atom command() {
    ++at_;
    if (at_ == source_.size()) refuse("it ends with a \\");
    if (source_[at_] == ',') return ++at_, Atom{"<mspace width=\"0.2em\"/>"};
    if (source_[at_] == '|')
      return ++at_, Atom{"<mo stretchy=\"false\" lspace=\"0.2em\" rspace=\"0.2em\">‖</mo>"};
    std::size_t end = at_;
    while (end < source_.size() && std::isalpha(static_cast<unsigned char>(source_[end]))) ++end;
    const std::string name(source_.substr(at_, end - at_));
    at_ = end;

    if (const auto letter = kLetters.find(name); letter != kLetters.end())
      return {tagged("mi", letter->second)};
    if (const auto sign = kOperators.find(name); sign != kOperators.end())
      return {tagged("mo", sign->second)};
    if (const auto accent = kAccents.find(name); accent != kAccents.end())
      return {"<mover accent=\"true\">" + argument() + tagged("mo", accent->second) + "</mover>"};
    if (name == "sum") return {"<mo largeop=\"true\" movablelimits=\"false\">∑</mo>", true};
    if (name == "prod") return {"<mo largeop=\"true\" movablelimits=\"false\">∏</mo>", true};
    if (name == "log" || name == "exp") return {tagged("mi", name), false, true};
    if (name == "max" || name == "min") return {tagged("mi", name), true, true};
    if (name == "quad") return {"<mspace width=\"1.5em\"/>"};
    if (name == "text") return {tagged("mtext", html_escaped(words()))};
    if (name == "mathrm") return {"<mi mathvariant=\"normal\">" + html_escaped(words()) + "</mi>"};
    if (name == "mathcal") return {tagged("mi", character(kCalligraphic, words()))};
    if (name == "mathbb") return {tagged("mi", character(kBlackboard, words()))};
    if (name == "sqrt") return {tagged("msqrt", argument())};
    if (name == "frac") {
      const std::string above = argument();
      return {tagged("mfrac", above + argument())};
    }
    refuse("there is no command \\" + name);
  }

  std::string character(const std::map<char, std::string>& alphabet,
                        const std::string& letter) const {
    const auto found = letter.size() == 1 ? alphabet.find(letter[0]) : alphabet.end();
    if (found == alphabet.end()) refuse("this alphabet does not contain the letter " + letter);
    return found->second;
  }

  std::string_view source_;
  std::size_t at_ = 0;
};

}  // namespace

Html math_ml(std::string_view formula) {
  return Html::trusted("<math display=\"block\"><mrow>" + Formula(formula).whole() +
                       "</mrow></math>");
}

}  // namespace vae_dist::plot
