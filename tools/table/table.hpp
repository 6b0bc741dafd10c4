// A table to be made: tasks, methods, images and what a paper says, from a YAML file.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tweedie::table {

/// A task or a method: its name in the table, and its options as words of tweedie-restore's command line.
struct Row {
  std::string name;
  std::vector<std::string> words;
  std::vector<std::string> only;  ///< of a method: the tasks it is for; none stated: all
  std::string prior;              ///< of a method: "" (the table's), "none" or the name of one that ships
  int steps = 0;                  ///< network evaluations as the file states them; 0: the method's own number
  std::string id() const;         ///< the name as a folder's
};

/// Which images, and how they are cut to the table's size.
struct Selection {
  std::vector<std::string> ids;  ///< names without ending, or what follows their last _; none: all
  int first = 0;                 ///< only so many (0: all)
  std::string crop = "none";     ///< none, centre (square, then bicubic) or guided-diffusion (halved first)
  int size = 0;                  ///< sides in pixels; of `none`, what they must be (0: any)
};

/// Numbers of the paper: of a task and a method by their names, by metric.
struct Published {
  std::string task, method, metric;
  double value;
};

struct Table {
  std::string name, source;
  std::string network;  ///< the preset of the network that it wants, or ""
  std::vector<std::string> differs, ambiguities, metrics;
  Selection images;
  std::vector<std::uint64_t> seeds;
  std::vector<std::string> common;  ///< words of every run
  std::vector<Row> tasks, methods;
  std::vector<Published> published;

  bool pairs(const Row& task, const Row& method) const;
};

/// Errors: a file that is no YAML, a key that is unknown, missing or of another kind, two rows of one name,
/// all beginning with the path.
Table read_table(const std::string& path);

}  // namespace tweedie::table
