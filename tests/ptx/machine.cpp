#include "tests/ptx/machine.hpp"

#include "tests/ptx/ptxi.h"

namespace tweedie::ptx {
struct Program {
  explicit Program(const std::string& text) : module(text) {}
  ptxi::Module module;
};
void RangeSet::add(const void* begin, std::size_t bytes) {
  const auto b = reinterpret_cast<std::uint64_t>(begin);
  ranges_[b] = {b, b + bytes};
}
void RangeSet::remove(const void* begin) { ranges_.erase(reinterpret_cast<std::uint64_t>(begin)); }
const Range* RangeSet::find(std::uint64_t address, std::size_t bytes) const {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return nullptr;
  const Range& range = std::prev(after)->second;
  return range.holds(address, bytes) ? &range : nullptr;
}
Module::Module(std::string_view text, const Allocate& allocate) {
  ptxi::g_alloc = allocate;
  try {
    program_ = std::make_unique<Program>(std::string(text));
  } catch (const std::exception& e) {
    throw Fault(FaultKind::load, e.what());
  }
}
Module::~Module() = default;
Module::Module(Module&&) noexcept = default;
Module& Module::operator=(Module&&) noexcept = default;
Statistics Module::launch(const std::string& kernel, Dim3 grid, Dim3 block, std::size_t shared,
                          void* const* arguments, const RangeSet& memory, const Options& options) const {
  ptxi::Module& m = program_->module;
  m.opt.checkGlobal = true;
  m.opt.checkRaces = options.check_shared;
  m.opt.order = int(options.order);
  m.opt.seed = options.seed;
  m.stats = {};
  m.clearRanges();
  memory.each([&](const Range& r) { m.addRange(reinterpret_cast<const void*>(r.begin), r.end - r.begin); });
  try {
    m.launch(kernel, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared,
             const_cast<void**>(arguments));
  } catch (const std::exception& e) {
    throw Fault(FaultKind::illegal_address, e.what());
  }
  if (m.stats.races) throw Fault(FaultKind::shared_race, m.stats.firstRace);
  return {m.stats.threadInstr, m.stats.warpInstr};
}
KernelTraits Module::traits(const std::string& kernel) const {
  KernelTraits t;
  t.parameter_bytes = program_->module.paramSizes(kernel);
  return t;
}
Module::Symbol Module::symbol(const std::string& name) const {
  Symbol s;
  s.address = program_->module.symbol(name, &s.bytes);
  return s;
}
}  // namespace tweedie::ptx
