// Weight files: one HDF5 file per network, self-describing, written once by tweedie-convert.
//
// Root attributes `format` = "tweedie-weights", `version` = 1, `architecture`, `config` (JSON), `diffusion`
// (JSON), `source`; one dataset per tensor under /tensors/, named by its checkpoint key, as float32, float16,
// or bfloat16 (uint16 with the attribute `dtype` = "bfloat16").
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "weights/tensor_output.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// What a weight file says about its tensors as a whole.
struct WeightFileHeader {
  std::string architecture;  ///< "guided_diffusion_unet", "kernel_wizard", "lpips_vgg", ...
  nlohmann::json config;     ///< the network's configuration; see `parse_unet_config`
  nlohmann::json diffusion;  ///< the diffusion it was trained for; see `parse_diffusion_config`
  std::string source;        ///< name and SHA-256 of the checkpoint it came from
};

/// A weight file open for reading. Tensors are read one at a time, on demand.
class WeightFile final : public TensorSource {
 public:
  /// Opens the file and reads its header. Throws `Error` in one line when the file is missing, not HDF5, not
  /// a weight file, of another version, or lacks an attribute.
  explicit WeightFile(const std::string& path);
  ~WeightFile() override;
  WeightFile(WeightFile&&) noexcept;
  WeightFile& operator=(WeightFile&&) noexcept;

  const WeightFileHeader& header() const;

  /// Keys of all tensors, sorted.
  const std::vector<std::string>& keys() const;

  /// Extents of a tensor; throws `Error` when it is missing.
  Extents extents(const std::string& key) const;

  /// How a tensor is stored: f32, f16 or bf16; throws `Error` when it is missing or of another type.
  Element element(const std::string& key) const;

  bool has(const std::string& key) const override;
  std::vector<float> read(const std::string& key, const Extents& expected) override;
  void require_all_used() const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// How `WeightFileWriter` stores what it is given.
struct WeightFileOptions {
  int compression = 0;     ///< deflate level 0 (off) to 9; byte-shuffled when on
  bool overwrite = false;  ///< whether an existing file may be replaced
};

/// Writes a weight file beside its destination and moves it there, complete and flushed to disk, in
/// `commit()`. Without a commit nothing is left behind, and an existing file stays as it was.
class WeightFileWriter final : public TensorOutput {
 public:
  /// Throws `Error` when the destination exists and may not be replaced, or its folder cannot be written.
  WeightFileWriter(const std::string& path, const WeightFileHeader& header,
                   const WeightFileOptions& options = {});
  ~WeightFileWriter() override;
  WeightFileWriter(const WeightFileWriter&) = delete;
  WeightFileWriter& operator=(const WeightFileWriter&) = delete;

  /// Adds one tensor, stored as f32, f16 or bf16 (rounded to nearest, ties to even). Throws `Error` naming
  /// the key when it cannot be a dataset's name or is already there, when a value is NaN or infinite, or when
  /// it overflows the stored type.
  void write(const std::string& key, const Extents& extents, std::span<const float> values,
             Element stored = Element::f32) override;

  /// Makes the file appear under its name. No call may follow.
  void commit() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tweedie
