// ptxi: a small functional PTX interpreter (CPU). C++17, no dependencies.
#pragma once
#include <cstdint>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
namespace ptxi {
extern thread_local std::function<void*(size_t)> g_alloc;
struct Dim { unsigned x = 1, y = 1, z = 1; };
struct Options {
  bool checkGlobal = false;   // every global access must lie in a registered range
  bool checkRaces = false;    // shared-memory hazards between threads without a barrier
  int order = 0;              // warp order inside a block: 0 forward, 1 reverse, 2 shuffled + preempted
  unsigned seed = 1;          // for order 2
  uint64_t maxInstr = 0;      // warp-instruction budget per launch (0: none)
};
struct Stats { uint64_t threadInstr = 0, warpInstr = 0, races = 0, uninitShared = 0; std::string firstRace; };
struct Function;
class Module {
 public:
  explicit Module(const std::string& ptxText);
  ~Module();
  // args[i] points at the value of parameter i, as for cuLaunchKernel.
  void launch(const std::string& kernel, Dim grid, Dim block, size_t dynShared, void** args);
  void addRange(const void* p, size_t n);   // register a global buffer (checkGlobal)
  void clearRanges();
  void* symbol(const std::string& name, size_t* size = nullptr); // module-scope .global/.const
  std::vector<std::string> kernels() const;
  std::vector<size_t> paramSizes(const std::string& kernel) const;
  Options opt; Stats stats;
  struct Impl; std::unique_ptr<Impl> im;
};
}  // namespace ptxi
extern "C" {
void* ptxi_load(const char* text);                       // nullptr on error
void ptxi_free(void*);
int ptxi_launch(void* m, const char* kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, size_t smem, void** args);
void ptxi_options(void* m, int checkGlobal, int checkRaces, int order, unsigned seed);
void ptxi_range(void* m, const void* p, size_t n);
void ptxi_stats(void* m, uint64_t* threadInstr, uint64_t* warpInstr, uint64_t* races, uint64_t* uninit);
const char* ptxi_error();
}
