// The numbers of a table, and the table as text, Markdown, CSV, LaTeX and JSON.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "tools/metrics/catalogue.hpp"
#include "tools/table/cells.hpp"

namespace tweedie::table {

/// What a metric says of all images of one task by one method.
struct Figure {
  int images = 0;                   ///< that count: complete, and what the metric is of is there
  double mean = 0;                  ///< of the finite values
  std::optional<double> deviation;  ///< between images (divided by n - 1), where there are two or more
  std::optional<double> published;
};

/// One task by one method.
struct Entry {
  const Row *task, *method;
  int complete = 0, wanted = 0;
  std::vector<std::optional<Figure>> figures;  ///< by metric; nothing where no image is complete
  double seconds = 0;                          ///< mean of a run
  std::optional<double> chi2;  ///< mean of |y - A x|^2 / (m sigma^2), where the noise is known
  std::optional<std::array<double, 2>>
      inside;  ///< share of the truth in the samples' central 50 and 90 %, where runs draw several
  std::uint64_t memory = 0;  ///< the largest run's, in bytes
};

struct Figures {
  std::vector<metrics::Metric> metrics;
  std::vector<Entry> entries;
  int complete = 0, wanted = 0;
};

/// Whether the table's metrics are known and the networks of those of pairs are there: to be asked before
/// hours are spent. Errors: see `parse_metrics` and `make_pair_metric`.
void require_metrics(Context& context, const Table& table, const std::string& networks);

/// Scores every complete cell that has no scores yet (they are kept beside its pictures), and sums up.
/// Numbers depend on the pictures alone, whatever ran when and where; those of kernels are of the unknown
/// kernel that a run found, beside the true one, as its report has them. Errors: an unknown metric; a network
/// of one is missing.
Figures sum_up(Context& context, const Table& table, const std::vector<Cell>& cells,
               const std::string& networks);

std::string as_text(const Table& table, const Figures& figures);
std::string as_markdown(const Table& table, const Figures& figures);
/// A line a number: task, method, metric, images, mean, deviation, published.
std::string as_csv(const Figures& figures);
std::string as_latex(const Table& table, const Figures& figures);
Json as_json(const Table& table, const Figures& figures);

/// What a complete cell scores by a metric of pairs, once `sum_up` has seen it; nothing where it has no
/// score.
std::optional<double> score_of(const Cell& cell, const metrics::Metric& metric);
/// Whether no other method's mean is better at this task, by metric m.
bool is_best(const Figures& figures, const Entry& entry, std::size_t m);
/// "1.02", or "-".
std::string chi2_of(const Entry& entry);
/// "25.31 +- 0.40 (paper 25.86)", or "-".
std::string text_of(const std::optional<Figure>& figure, int digits);

}  // namespace tweedie::table
