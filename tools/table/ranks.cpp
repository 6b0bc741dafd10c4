#include "tools/table/ranks.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "kernels/error.hpp"

namespace tweedie::table {
namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

Shard shard_of(const std::string& text, const Environment& environment) {
  Shard shard;
  if (text.empty()) {
    for (const auto& [rank, size] : {std::pair{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                     {"PMI_RANK", "PMI_SIZE"},
                                     {"SLURM_PROCID", "SLURM_NTASKS"}}) {
      const std::optional<std::string> i = environment(rank), n = environment(size);
      if (!i || !n) continue;
      shard = {std::atoi(i->c_str()), std::atoi(n->c_str())};
      break;
    }
  } else {
    int read = 0;
    const bool two = std::sscanf(text.c_str(), "%d/%d%n", &shard.index, &shard.count, &read) == 2;
    require(two && std::size_t(read) == text.size() && shard.index >= 1, "--shard ", text,
            ": expected I/N, the I-th of N parts, such as 1/4");
    --shard.index;
  }
  require(shard.count >= 1 && shard.index >= 0 && shard.index < shard.count, "--shard ", text,
          ": there is no part ", shard.index + 1, " of ", shard.count);
  return shard;
}

std::optional<std::string> visible_gpu(int gpus, const Environment& environment) {
  std::optional<int> local;
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"})
    if (const auto value = environment(name); value && !local) local = std::atoi(value->c_str());
  if (!local || *local < 0) return {};
  std::vector<std::string> choice;
  if (const auto visible = environment("CUDA_VISIBLE_DEVICES"))
    choice = split(*visible);
  else
    for (int k = 0; k < gpus; ++k) choice.push_back(std::to_string(k));
  if (choice.size() < 2) return {};
  return choice[std::size_t(*local) % choice.size()];
}

int count_gpus() {
  std::error_code error;
  int gpus = 0;
  for (std::filesystem::directory_iterator at("/proc/driver/nvidia/gpus", error), end; !error && at != end;
       at.increment(error))
    ++gpus;
  return gpus;
}

}  // namespace tweedie::table
