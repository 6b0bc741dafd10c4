// Every kernel of a DPS step, against the least time it could take on a device.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/kernels.hpp"
#include "tools/bench/model.hpp"

namespace tweedie::bench {

/// Devices whose data sheets are known, by the names --roofline takes, "here" (this device, whose peaks are
/// measured) first.
std::vector<std::string> roofline_devices();

/// Lists the kernels of a pass through the network and of its way back (`step_ops`), equal ones in one row
/// with their number. Rows: kernel, shape, layer (of the first), count, bytes and operations of one, and
///   floor_seconds  of one: by bytes or by operations, whichever takes longer at the device's peaks
///   limit          "memory" or "arithmetic"
///   seconds        here: of one alone with cold caches, with its quartiles and extremes
///   plan_seconds   of one elsewhere: at the shares of peaks that `plan` states, and a launch
/// and the sums over the step. Elsewhere, maps and weights are stored as `context`'s precision says. Here the
/// whole step is timed as well (step_seconds). Errors: a device that is not known.
Json bench_roofline(Context& context, const ModelOptions& model, const KernelOptions& kernels,
                    const std::string& device, Precision precision);

/// The same for people.
std::string describe_roofline(const Json& report);

}  // namespace tweedie::bench
