// The singular value decomposition of operators that act on rows and columns in turn.
#pragma once

#include <functional>
#include <vector>

#include "engine/spectral.hpp"
#include "operators/svd.hpp"

namespace tweedie {

/// That of y = R x C^T for each channel, from those of R (m_h x H) and C (m_w x W): coefficients V_h^T x V_w
/// by dense products with both, singular values s_h[i] s_w[j] in the top left corner.
class SeparableSpectral : public Spectral {
 public:
  /// The singular value of (channel, i, j); by default the product of the axes'.
  using Values = std::function<double(int c, int i, int j)>;
  SeparableSpectral(Context& context, const Shape& image, const Svd& along_h, const Svd& along_w,
                    const Values& values = {});
  Tensor Vt(const Tensor& x) override { return product(V_h_, V_w_, x, true); }
  Tensor V(const Tensor& c) override { return product(V_h_, V_w_, c, false); }
  Tensor Ut(const Tensor& y) override { return product(U_h_, U_w_, y, true); }
  Tensor U(const Tensor& c) override { return product(U_h_, U_w_, c, false); }
  bool onto() const override { return onto_; }

 private:
  /// H^T x W, or H x W^T.
  Tensor product(const Tensor& h, const Tensor& w, const Tensor& x, bool transposed);

  Context& context_;
  bool onto_;
  Tensor V_h_, V_w_;  ///< (1, 1, H, H), (1, 1, W, W)
  Tensor U_h_, U_w_;  ///< (1, 1, m_h, H), (1, 1, m_w, W), columns of zeros where there is no singular value
};

}  // namespace tweedie
