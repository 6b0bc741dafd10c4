#include "tests/machine/ptx/machine.hpp"

#include <cxxabi.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>

#include "tests/machine/ptx/executor.hpp"
#include "tests/machine/ptx/parser.hpp"

namespace tweedie::ptx {

// ---- RangeSet -----------------------------------------------------------------------------------------

void RangeSet::add(const void* begin, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uint64_t>(begin);
  ranges_[address] = {address, address + bytes};
}

void RangeSet::remove(const void* begin) { ranges_.erase(reinterpret_cast<std::uint64_t>(begin)); }

const Range* RangeSet::find(std::uint64_t address, std::size_t bytes) const {
  const auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return nullptr;
  const Range& range = std::prev(after)->second;
  return range.holds(address, bytes) ? &range : nullptr;
}

std::string RangeSet::describe(std::uint64_t address) const {
  constexpr std::uint64_t near = 1 << 20;
  const auto after = ranges_.upper_bound(address);
  if (after != ranges_.begin()) {
    const Range& before = std::prev(after)->second;
    const std::uint64_t size = before.end - before.begin;
    if (address < before.end)
      return message(before.end - address, " bytes before the end of a block of ", size);
    if (address - before.end < near)
      return message(address - before.end, " bytes past the end of a block of ", size);
  }
  if (after != ranges_.end() && after->first - address < near)
    return message(after->first - address, " bytes before a block of ",
                   after->second.end - after->second.begin);
  return "in no known block";
}

// ---- faults -------------------------------------------------------------------------------------------

std::string readable_name(const std::string& kernel) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(kernel.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : kernel;
}

std::string thread_name(const Block& block, unsigned thread) {
  const Dim3& size = block.size;
  return message("thread (", thread % size.x, ",", thread / size.x % size.y, ",", thread / size.x / size.y,
                 ")");
}

void fault(FaultKind kind, const Warp& warp, const Instruction& instruction, unsigned lane,
           const std::string& text) {
  const Block& block = *warp.block;
  const Origin& origin = block.function->origins[instruction.index];
  std::string place = message("kernel ", readable_name(block.function->name), ", PTX line ", origin.line);
  if (!origin.source_file.empty()) place += message(" (", origin.source_file, ":", origin.source_line, ")");
  throw Fault(kind,
              message(text, " [", place, ", ", origin.opcode, ", block (", block.index.x, ",", block.index.y,
                      ",", block.index.z, ") ", thread_name(block, warp.id * warp_size + lane), "]"));
}

// ---- Module -------------------------------------------------------------------------------------------

Module::Module(std::string_view text, const Allocate& allocate) : program_(std::make_unique<Program>()) {
  Parser(text, *program_, allocate).run();
}
Module::~Module() = default;
Module::Module(Module&&) noexcept = default;
Module& Module::operator=(Module&&) noexcept = default;

namespace {

const Function& find(const Program& program, const std::string& kernel) {
  const auto found = program.kernels.find(kernel);
  if (found == program.kernels.end())
    throw Fault(FaultKind::launch, "no kernel '" + kernel + "' in this module");
  return *found->second;
}

// A launch of fewer threads than this for each worker is over before another worker has started.
constexpr std::uint64_t threads_worth_a_worker = 2048;

/// Hands the blocks of a grid, in order, to whoever runs one next. After a fault no further block is started,
/// and of several faults that of the first block counts.
class BlockQueue {
 public:
  /// `most`: of a grid at least twice as large so many blocks run, in clusters from the middles of equal
  /// parts; 0: all.
  BlockQueue(Dim3 grid, std::uint64_t most)
      : grid_(grid),
        blocks_(std::uint64_t(grid.x) * grid.y * grid.z),
        size_(most > 0 && blocks_ >= 2 * most ? (most + neighbours - 1) / neighbours * neighbours : blocks_) {
  }
  std::uint64_t size() const { return size_; }
  /// How many blocks of the grid each that runs stands for.
  double share() const { return size_ == blocks_ ? 1 : double(blocks_) / double(size_); }

  void run(Executor& executor) {
    for (;;) {
      const std::uint64_t k = next_.fetch_add(1);
      if (k >= size_) return;
      const std::uint64_t b = block(k);
      try {
        executor.run_block(
            {unsigned(b % grid_.x), unsigned(b / grid_.x % grid_.y), unsigned(b / grid_.x / grid_.y)},
            k / neighbours);
      } catch (...) {
        next_ = size_;
        const std::lock_guard lock(mutex_);
        if (b < faulty_) faulty_ = b, fault_ = std::current_exception();
      }
    }
  }

  void rethrow() const {
    if (fault_) std::rethrow_exception(fault_);
  }

 private:
  static constexpr std::uint64_t neighbours = 4;

  std::uint64_t block(std::uint64_t k) const {
    if (size_ == blocks_) return k;
    const std::uint64_t clusters = size_ / neighbours, cluster = k / neighbours;
    return (2 * cluster + 1) * (blocks_ - neighbours) / (2 * clusters) + k % neighbours;
  }

  const Dim3 grid_;
  const std::uint64_t blocks_, size_;
  std::atomic<std::uint64_t> next_{0};
  std::mutex mutex_;
  std::uint64_t faulty_ = ~std::uint64_t(0);
  std::exception_ptr fault_;
};

}  // namespace

Statistics Module::launch(const std::string& kernel, Dim3 grid, Dim3 block, std::size_t dynamic_shared_bytes,
                          void* const* arguments, const RangeSet& memory, const Options& options) const {
  const Function& function = find(*program_, kernel);
  const std::uint64_t threads = std::uint64_t(block.x) * block.y * block.z;
  if (threads == 0 || threads > function.max_threads)
    throw Fault(FaultKind::launch, message("kernel ", kernel, ": blocks of ", threads, " threads; from 1 to ",
                                           function.max_threads, " are possible"));
  std::vector<char> parameters(function.parameter_bytes + 16);
  for (std::size_t k = 0; k < function.parameters.size(); ++k)
    std::memcpy(parameters.data() + function.parameters[k].offset, arguments[k],
                function.parameters[k].bytes);
  BlockQueue queue(grid, options.most_blocks);
  const std::uint64_t most = std::max<std::uint64_t>(1, queue.size() * threads / threads_worth_a_worker);
  const int workers = int(std::min<std::uint64_t>(most, std::uint64_t(omp_get_max_threads())));
  std::mutex atomics;
  Statistics total;
  Traffic read, written;
#pragma omp parallel num_threads(workers) if (workers > 1)
  {
    Executor executor(function, grid, block, dynamic_shared_bytes, parameters.data(), memory, options,
                      workers > 1 ? &atomics : nullptr);
    queue.run(executor);
#pragma omp critical
    {
      total.thread_instructions += executor.statistics().thread_instructions;
      total.warp_instructions += executor.statistics().warp_instructions;
      read.add(executor.read());
      written.add(executor.written());
    }
  }
  queue.rethrow();
  const auto of_grid = [&](std::uint64_t count) {
    return std::uint64_t(std::llround(double(count) * queue.share()));
  };
  return {of_grid(total.thread_instructions), of_grid(total.warp_instructions),
          std::uint64_t(std::llround(read.bytes(queue.share()))),
          std::uint64_t(std::llround(written.bytes(queue.share())))};
}

bool Module::has_kernel(const std::string& kernel) const { return program_->kernels.count(kernel) != 0; }

KernelTraits Module::traits(const std::string& kernel) const {
  const Function& function = find(*program_, kernel);
  KernelTraits traits;
  for (const Parameter& p : function.parameters) traits.parameter_bytes.push_back(p.bytes);
  traits.static_shared_bytes = function.shared_bytes;
  traits.local_bytes = function.local_bytes;
  traits.max_threads = function.max_threads;
  return traits;
}

Module::Symbol Module::symbol(const std::string& name) const {
  const auto found = program_->variables.find(name);
  if (found == program_->variables.end()) return {};
  const Variable& v = found->second;
  if (v.space != Space::global && v.space != Space::constant) return {};
  return {reinterpret_cast<void*>(v.address), v.bytes};
}

}  // namespace tweedie::ptx
