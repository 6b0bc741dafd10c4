#include "tools/restore/defaults.hpp"

#include <filesystem>

#include "engine/solvers/pigdm.hpp"
#include "tools/restore/method.hpp"

namespace tweedie {
namespace {

constexpr int few_steps = 100;

/// Whether the problem could be restored by the prior of photographs that ships.
bool of_photographs(const Options& o, const Problem& p) {
  return !o.prior.stated() && o.model_config.empty() && p.image.C == 3 &&
         std::filesystem::exists(shipped_file("photo"));
}

}  // namespace

void settle_defaults(Context& context, Options& o, const Problem& p, Prior& prior) {
  const bool few = o.steps > 0 ? o.steps <= few_steps : of_photographs(o, p);
  if (!o.method_stated && few && !refusal(mmps_kind, *p.op, p.noise_model(), p.image)) {
    o.method = mmps_kind.name;
    o.settings.emplace(message("--method ", o.method), mmps_kind.settings);
  }
  if (o.prior.stated()) return;
  const MethodRow method = find_method(o.method);
  if (of_photographs(o, p) && method.samples() && !(method.solver && o.settings->knows("zeta"))) {
    o.prior.name = "photo";
    prior = load_prior(context, o.prior);
    if (!method.blind || (p.image.H % prior.stride() == 0 && p.image.W % prior.stride() == 0)) return;
  }
  o.prior.name = "spectrum";
  prior = load_prior(context, o.prior);
}

}  // namespace tweedie
