// Linear combinations in the basis of an operator's singular vectors.
#pragma once

#include <initializer_list>
#include <vector>

#include "engine/context.hpp"
#include "engine/spectral.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {

/// sum_k w_k c_k, coefficient by coefficient: c_k tensors of coefficients, w_k functions of the singular
/// value. Weights are worked out on the host in double and uploaded into the same memory at every call.
class SpectralSum {
 public:
  SpectralSum(Context& context, Spectral& spectral, std::size_t terms)
      : context_(context),
        s_(context.download(spectral.s())),
        listed_(context.download(spectral.listed())),
        host_(s_.size()),
        weights_(terms) {
    for (Tensor& w : weights_) w = context.planar(spectral.s().shape());
  }

  /// rule(w, s, listed) writes the weights w[0], w[1], ... of a coefficient whose singular value is s;
  /// `listed`: a column of U belongs to it. The result goes into new memory.
  template <class Rule>
  Tensor operator()(std::initializer_list<const Tensor*> coefficients, Rule rule) {
    require(coefficients.size() == weights_.size(), "spectral sum: ", coefficients.size(),
            " terms, expected ", weights_.size());
    Queue& q = context_.queue;
    const Shape shape = (*coefficients.begin())->shape();
    Tensor sum, part = context_.planar(shape);
    std::size_t k = 0;
    double w[8] = {};
    for (const Tensor* c : coefficients) {
      for (std::size_t i = 0; i < host_.size(); ++i) {
        rule(w, double(s_[i]), listed_[i] != 0);
        host_[i] = float(w[k]);
      }
      copy_from_host(q, weights_[k].data(), host_.data(), host_.size() * sizeof(float));
      multiply(q, part, *c, weights_[k]);
      if (sum) {
        add(q, sum, sum, part);
      } else {
        sum = part;
        part = context_.planar(shape);
      }
      ++k;
    }
    return sum;
  }

 private:
  Context& context_;
  std::vector<float> s_, listed_, host_;
  std::vector<Tensor> weights_;
};

}  // namespace tweedie
