#include "tools/metrics/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "tools/metrics/distributions.hpp"
#include "tools/metrics/resize.hpp"
#include "tools/metrics/similarity.hpp"
#include "tools/progress.hpp"

namespace tweedie::metrics {
namespace {

void summarise(Score& score) {
  int finite = 0;
  double sum = 0, squares = 0;
  for (const double value : score.values) {
    if (std::isinf(value)) continue;
    ++finite;
    sum += value;
  }
  score.infinite = int(score.values.size()) - finite;
  score.mean = finite ? sum / finite : score.values.at(0);
  for (const double value : score.values)
    if (!std::isinf(value)) squares += (value - score.mean) * (value - score.mean);
  if (finite > 1) score.deviation = std::sqrt(squares / (finite - 1));
}

std::vector<Score> score_pairs(Context& context, const EvaluationOptions& options,
                               const std::vector<PairOfFiles>& pairs) {
  std::vector<Score> scores;
  std::vector<PairMetric> functions;
  for (const Metric& metric : options.metrics)
    if (metric.of != Of::sets) {
      scores.push_back({metric, {}});
      functions.push_back(make_pair_metric(context, metric, options.networks));
    }
  if (scores.empty()) return scores;
  Progress progress("pairs", int(pairs.size()),
                    options.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const Planes x = planes_of(read_image(pairs[k].image)), y = planes_of(read_image(pairs[k].reference));
    for (std::size_t m = 0; m < scores.size(); ++m) try {
        scores[m].values.push_back(functions[m](x, y));
      } catch (const Error& error) {
        throw Error(message(pairs[k].image, " and ", pairs[k].reference, ": ", error.what()));
      }
    progress.update(int(k) + 1);
  }
  for (Score& score : scores) {
    summarise(score);
    if (score.metric.of != Of::pairs) continue;
    // Images of one size weigh the same, as they do when tensors are batched.
    score.values = {decibels(score.mean)};
    score.mean = score.values[0];
    score.deviation.reset();
  }
  return scores;
}

/// Features of image files, made once for each way of feeding Inception.
class Features {
 public:
  Features(Context& context, const EvaluationOptions& options) : context_(context), options_(options) {}

  const Matrix& of(const std::string& folder, const std::string& input, const std::string& metric) {
    if (!inception_) inception_ = load_inception(context_, options_.networks, metric);
    const auto found = made_.find({folder, input});
    if (found != made_.end()) return found->second;
    const std::vector<std::string> files = image_files(folder);
    Matrix features(int(files.size()), Inception::features);
    Progress progress("features of " + folder, int(files.size()),
                      options_.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
    for (int k = 0; k < features.rows; ++k) {
      const std::vector<float> x =
          prepared(planes_of(read_image(files[std::size_t(k)])), inception_input(input));
      const std::vector<float> row = context_.download(
          inception_->forward(context_.upload({1, 3, Inception::side, Inception::side}, x)));
      std::copy(row.begin(), row.end(), features.data.begin() + std::ptrdiff_t(k) * features.columns);
      progress.update(k + 1);
    }
    return made_[{folder, input}] = std::move(features);
  }

 private:
  Context& context_;
  const EvaluationOptions& options_;
  std::unique_ptr<Inception> inception_;
  std::map<std::pair<std::string, std::string>, Matrix> made_;
};

Score score_sets(Features& features, const EvaluationOptions& options, const Metric& metric) {
  const SetMetric kind = set_metric(metric);
  Score score{metric, {}};
  if (options.references.ends_with(".npz")) {
    require(!kind.kernel, options.references, ": statistics have no samples, which ", metric.name, " needs");
    const FeatureStatistics statistics = read_statistics(options.references);
    const Matrix& x = features.of(options.images, kind.input, metric.name);
    score.mean = frechet_distance(x, statistics);
    score.note = message(x.rows, " images and published statistics");
  } else {
    const Matrix& x = features.of(options.images, kind.input, metric.name);
    const Matrix& y = features.of(options.references, kind.input, metric.name);
    score.note = message(x.rows, " and ", y.rows, " images");
    if (kind.kernel) {
      const KernelDistance d = kernel_distance_of_subsets(x, y, 100, 1000, options.seed);
      score.mean = 1000 * d.mean;
      score.deviation = 1000 * d.deviation;
      score.note += message(", ", d.subsets, " subsets of ", d.size);
      if (std::max(x.rows, y.rows) <= 5000)  // the kernel of all pairs is a matrix
        score.note += message("; of all images ", 1000 * kernel_distance(x, y));
    } else {
      score.mean = frechet_distance(x, y);
    }
  }
  score.values = {score.mean};
  return score;
}

}  // namespace

Evaluation evaluate(Context& context, const EvaluationOptions& options) {
  Evaluation result;
  const auto of_sets = [](const Metric& m) { return m.of == Of::sets; };
  const auto sets = std::count_if(options.metrics.begin(), options.metrics.end(), of_sets);
  for (const Metric& metric : options.metrics)
    if (of_sets(metric)) network_file(options.networks, "inception_fid", metric.name);
  if (std::size_t(sets) < options.metrics.size()) {
    require(!options.references.ends_with(".npz"), options.references,
            ": statistics hold no images, and only FID can be measured against them");
    result.pairs = paired(image_files(options.images), image_files(options.references), options.common);
  }
  const std::vector<Score> of_pairs = score_pairs(context, options, result.pairs);
  Features features(context, options);
  auto next = of_pairs.begin();
  for (const Metric& metric : options.metrics)
    result.scores.push_back(of_sets(metric) ? score_sets(features, options, metric) : *next++);
  return result;
}

}  // namespace tweedie::metrics
