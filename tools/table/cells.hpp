// The runs of a table: each image of each task by each method is one run of tweedie-restore, in a folder of
// its own that appears when it is complete.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/report.hpp"
#include "tools/table/table.hpp"

namespace tweedie::table {

/// What all runs of a table have in common besides the table.
struct Setting {
  std::string out;                                     ///< the table's folder
  std::vector<std::string> images;                     ///< paths, as chosen and cut
  std::string weights;                                 ///< of the table's network, or ""
  std::map<std::string, std::string> unknown_weights;  ///< of priors of what is unknown besides the image
  std::string operator_weights;                        ///< of an operator that is a network
  std::string prior, device = "auto", precision = "fp32";
};

struct Cell {
  const Row *task, *method;
  std::string image;  ///< path
  std::string name;   ///< of the image, and of the seed where there are several
  std::uint64_t seed;
  std::string folder;  ///< its results, once it is complete
  std::string key;     ///< everything that they depend on: options, and the hashes of picture and weights
  std::vector<std::string> choice;    ///< words that name method and prior, where its row's words do not
  std::vector<std::string> networks;  ///< words that name those besides the image's prior

  /// Whether the results are there, and are of this key.
  bool complete() const;
};

/// All of them, tasks outermost, then images, seeds and methods. The seed of a run comes from the table's and
/// the image's name: images see different noise, methods the same, whatever other images there are. Errors: a
/// row that tweedie-restore would refuse; a network that a row wants and nobody gave.
std::vector<Cell> cells_of(const Table& table, const Setting& setting);

/// The images of `folder` and of the folders in it that the table wants, cut to its size into `out`/images
/// where that is asked for. Errors: one is missing or too small.
std::vector<std::string> choose_images(const Table& table, const std::string& folder, const std::string& out);

/// The command of a cell's run, as words.
std::vector<std::string> command_of(const Table& table, const Setting& setting, const Cell& cell,
                                    const std::string& folder);

/// Runs a cell in a process of its own. What is there of it appears under its name complete, or not at all.
/// The result: why it failed, in a line; nothing where it did not.
std::optional<std::string> run_cell(const Table& table, const Setting& setting, const Cell& cell);

/// The report of a cell that is complete, with "seconds" of its whole run.
Json report_of(const Cell& cell);

}  // namespace tweedie::table
