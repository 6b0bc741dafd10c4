#include "engine/solvers/daps.hpp"
#include "engine/solvers/ddnm.hpp"
#include "engine/solvers/ddrm.hpp"
#include "engine/solvers/diffpir.hpp"
#include "engine/solvers/guided.hpp"
#include "engine/solvers/pigdm.hpp"
#include "engine/solvers/pnp_admm.hpp"
#include "engine/solvers/reddiff.hpp"
#include "engine/solvers/repaint.hpp"
#include "engine/solvers/reps.hpp"
#include "engine/solvers/sitcom.hpp"
#include "engine/solvers/tds.hpp"

namespace tweedie {

std::span<const SolverKind* const> solver_kinds() {
  static constexpr const SolverKind* rows[] = {
      &dps_kind,  &perturbed_kind, &noisy_gradient_kind, &mcg_kind,       &projection_kind,
      &ilvr_kind, &ddrm_kind,      &ddnm_kind,           &ddnm_plus_kind, &pigdm_kind,
      &mmps_kind, &diffpir_kind,   &pnp_admm_kind,       &reddiff_kind,   &daps_kind,
      &tds_kind,  &repaint_kind,   &reps_kind,           &sitcom_kind};
  return rows;
}

}  // namespace tweedie
