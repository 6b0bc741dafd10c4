// A table to be made: tasks, methods, images and what a paper says, from a YAML file.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tweedie::table {

/// Options of tweedie-restore, each with the words that state it: "--drop": --drop 0.7.
using Words = std::map<std::string, std::vector<std::string>>;

/// A task or a method: its name in the table, and its options.
struct Row {
  std::string name;
  Words words;
  std::vector<std::string> only;  ///< of a method: the tasks it is for; none stated: all
  std::string prior;              ///< of a method: "" (the table's), "none" or the name of one that ships
  bool label_of_name = false;     ///< of a method: --label is what follows the last _ of a picture's name
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

/// Another way to understand what the source leaves open.
struct Reading {
  std::string name, what;
};

struct Table {
  std::string name, source;
  std::string reading;            ///< the one that was asked for, or ""
  std::vector<Reading> readings;  ///< all that the file has
  std::string network;            ///< the preset of the network that it wants, or ""
  std::vector<std::string> differs, ambiguities, metrics;
  Selection images;
  std::vector<std::uint64_t> seeds;
  Words common;  ///< of every run; a task's options win over these, a method's over both
  std::vector<Row> tasks, methods;
  std::vector<Published> published;

  bool pairs(const Row& task, const Row& method) const;
};

/// The table of a file, or another `reading` of it: what that reading states takes the place of the file's.
/// Errors: a file that is no YAML, a key that is unknown, missing or of another kind, two rows of one name, a
/// reading that is not there, all beginning with the path and, where there is one, the line.
Table read_table(const std::string& path, const std::string& reading = "");

}  // namespace tweedie::table
