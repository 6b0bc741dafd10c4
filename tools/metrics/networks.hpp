// The networks that metrics look through, from a folder of weight files. A missing one is an error that says
// what to get: no number is ever printed under another metric's name.
#pragma once

#include <memory>
#include <string>

#include "layers/inception.hpp"
#include "layers/lpips.hpp"

namespace tweedie::metrics {

/// A network's file: FOLDER/ARCHITECTURE.h5. Errors: it is not there (says what to get and how to convert
/// it).
std::string network_file(const std::string& folder, const std::string& architecture,
                         const std::string& metric);

/// Errors: as `network_file`; a file of another network; a tensor missing, surplus or misshapen.
std::unique_ptr<Lpips> load_lpips(Context& context, const std::string& folder, const LpipsVariant& variant,
                                  const std::string& metric);
std::unique_ptr<Inception> load_inception(Context& context, const std::string& folder,
                                          const std::string& metric);

}  // namespace tweedie::metrics
