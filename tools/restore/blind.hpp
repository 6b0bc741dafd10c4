// Blind problems: methods that find the image together with what blurred or bent it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tools/prior.hpp"
#include "tools/restore/folder.hpp"
#include "tools/restore/problem.hpp"
#include "tools/restore/sample_store.hpp"

namespace tweedie {

/// A blind problem with all that its methods look at.
struct BlindProblem {
  Context& context;
  const Options& options;
  const Problem& problem;
  const Prior& prior;                   ///< of the image
  std::map<std::string, Prior> priors;  ///< of other unknowns, where the method asks any
  Schedule schedule;
  std::unique_ptr<ForwardOperator> op = {};  ///< of all unknowns
  std::unique_ptr<ForwardOperator> on_padded =
      {};  ///< the same of the sides that their priors need, if others

  ForwardOperator& walked() const { return on_padded ? *on_padded : *op; }

  const BlindRow& row() const { return *problem.description().kind->blind; }
  /// The shape of an unknown of this problem, and with the sides that its prior needs.
  Shape shape(const std::string& unknown) const;
  Shape padded(const std::string& unknown) const;
  /// The noise's standard deviation; never quite 0.
  double sigma() const;
};

/// Called after every step with its number from 0 on and, where it is known, |y - A(...)|.
using BlindProgress = std::function<void(int executed, std::optional<double> distance)>;

/// What a run finds: planar, of the padded shapes; unknowns as the operator takes them.
struct BlindFound {
  Tensor image;
  std::map<std::string, Tensor> unknowns;
};

/// A method for blind problems: one row.
struct BlindKind {
  const char* name;
  const char* what;
  std::span<const Setting> settings;
  /// Errors: the method does not suit the problem, with the reason.
  void (*require_suits)(const BlindProblem& problem);
  int (*steps)(const BlindProblem& problem);
  BlindFound (*run)(BlindProblem& problem, const BlindProgress& progress);
  const char* prefers = "";  ///< "key=value key=value": settings of the operator that it would rather have
  /// For the report, what was decided where nothing was stated; null: nothing.
  Json (*describe)(const BlindProblem& problem) = nullptr;
  /// What to say of its results with this prior, for unknowns of that row; empty: nothing.
  std::string (*note)(const Prior& prior, const BlindRow& row) = nullptr;
  /// Steps of a walk where none are stated; null, or 0: all that the prior was trained with.
  int (*default_steps)(const Settings& settings) = nullptr;
  /// Whether it asks a prior of another unknown of that row, with a network or the analytic prior of the
  /// image: where none is given it takes what ships. Null: it needs them all, and needs them given.
  bool (*asks_prior)(const Settings& settings, bool network, const BlindRow& row,
                     std::string_view unknown) = nullptr;
};
/// The walks of fast-em with a network, from the settings, the unknowns and the number of scales there are (a
/// blur's); and the images drawn in them.
int fast_em_walk_count(const Settings& settings, const BlindRow& row, int scales);
int fast_em_draw_count(const Settings& settings, const BlindRow& row, int scales);
extern const BlindKind blind_dps_kind, fast_em_kind;
std::span<const BlindKind* const> blind_kinds();

/// As `solve`, for blind problems.
Solution solve_blind(Context& context, const Options& options, const Problem& problem, const Prior& prior,
                     const BlindKind& kind, SampleStore& store, const std::function<void()>& ready);

/// How near the unknowns of a run are to the truth, where it is known: of a kernel the maximum of normalised
/// convolution with the shift that it is at, mean squared differences, the width (root of the second moment
/// along an axis) of both; of a tilt the root mean square difference; the image's PSNR once the shift is
/// undone.
Json describe_unknowns(Context& context, const Problem& problem, const Run& run);

/// The names of the files that a run on this problem writes besides those of all problems.
std::vector<std::string> unknown_files(const OperatorKind& kind);
/// Pictures of the unknowns of the first sample, true and found beside each other where the truth is known,
/// and unknowns.h5 with the numbers of all samples.
void write_unknowns(Context& context, ResultFolder& folder, const Problem& problem, const Solution& solution);
/// A line on each unknown where the truth is known.
void print_unknowns(Context& context, const Problem& problem, const Solution& solution);

}  // namespace tweedie
