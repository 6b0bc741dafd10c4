#include "operators/factory.hpp"

#include "operators/blind.hpp"
#include "operators/circular.hpp"
#include "operators/colourisation.hpp"
#include "operators/composed.hpp"
#include "operators/ct.hpp"
#include "operators/hdr.hpp"
#include "operators/inpainting.hpp"
#include "operators/jpeg.hpp"
#include "operators/kernel_blur.hpp"
#include "operators/motion_kernel.hpp"
#include "operators/mri.hpp"
#include "operators/nonlinear_blur.hpp"
#include "operators/phase_retrieval.hpp"
#include "operators/separable.hpp"
#include "weights/settings_json.hpp"

namespace tweedie {
namespace {

// One line for every operator. `composed` is last: it is made of the others.
constexpr const OperatorKind* kinds[] = {
    &identity_kind,
    &inpainting_kind,
    &super_resolution_kind,
    &gaussian_blur_kind,
    &motion_blur_kind,
    &kernel_blur_kind,
    &nonlinear_blur_kind,
    &phase_retrieval_kind,
    &colourisation_kind,
    &ct_kind,
    &mri_kind,
    &super_resolution_circular_kind,
    &hdr_kind,
    &jpeg_kind,
    &blind_blur_kind,
    &turbulence_kind,
    &composed_kind,
};

}  // namespace

std::span<const OperatorKind* const> operator_kinds() { return kinds; }

const OperatorKind* find_operator_kind(const std::string& name) {
  for (const OperatorKind* kind : kinds)
    if (!name.empty() && (name == kind->name || name == kind->alias)) return kind;
  return nullptr;
}

OperatorDescription describe_operator(const nlohmann::json& table) {
  const std::string name = text_member(table, "name", "operator");
  const OperatorKind* kind = find_operator_kind(name);
  if (!kind) {
    std::string known;
    for (const OperatorKind* each : kinds) known += (known.empty() ? "" : ", ") + std::string(each->name);
    throw Error(message("operator '", name, "' is not known; expected one of ", known));
  }
  const std::string what = message("operator ", kind->name);
  const std::string_view besides[] = {"name", kind->of_many ? "operators" : kind->ignored};
  OperatorDescription description{kind, settings_from_json(table, what, kind->settings, besides)};
  if (kind->of_many) {
    for (const nlohmann::json& part : list_member(table, "operators", what))
      description.parts.push_back(describe_operator(part));
    require(!description.parts.empty(), what, ": 'operators' is an empty list");
  }
  return description;
}

nlohmann::json to_json(const OperatorDescription& description) {
  nlohmann::json table = to_json(description.settings);
  table["name"] = description.kind->name;
  for (const OperatorDescription& part : description.parts) table["operators"].push_back(to_json(part));
  return table;
}

// The first part works on the image, each further one on what the one before measured; all have the same
// data.
std::unique_ptr<ForwardOperator> make_operator(Context& context, const OperatorDescription& description,
                                               const OperatorData& data) {
  if (!description.kind->of_many) return description.kind->make(context, description.settings, data);
  std::unique_ptr<ForwardOperator> op;
  for (const OperatorDescription& part : description.parts) {
    std::unique_ptr<ForwardOperator> next = make_operator(context, part, data);
    op = op ? compose(std::move(op), std::move(next)) : std::move(next);
  }
  return op;
}

std::unique_ptr<ForwardOperator> make_operator(Context& context, const nlohmann::json& table,
                                               const OperatorData& data) {
  return make_operator(context, describe_operator(table), data);
}

}  // namespace tweedie
