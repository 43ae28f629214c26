// Two sources that change by themselves, a file and a layer, and neither of them may take the other down: what is in
// force is the newest of each that stands. One thread at a time.
//
// A file is taken whole or not at all; a layer transaction by transaction, each whole or not at all. Where everything
// wanted stands together, it is taken together: so two changes that need each other may come in either order.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "config/layer.h"

namespace loquat::config {

// What two sources say. The layer is never null.
struct Contents {
  std::string file;
  LayerPtr layer = std::make_shared<const Layer>();
};

// Why a source, or a part of it, is not in force; ok: all of it is.
struct Verdict {
  base::Status file;
  base::Status layer;
};

class Reconciler {
 public:
  // Whether a configuration of these contents stands. The last ones it took are what is in force.
  using Check = std::function<base::Status(const std::string& file, const LayerPtr& layer)>;

  // `good` stands, as the caller has checked.
  explicit Reconciler(Contents good) : good_(std::move(good)), wanted_(good_) {}

  void WantFile(std::string text) { wanted_.file = std::move(text); }
  void WantLayer(LayerPtr layer) { wanted_.layer = std::move(layer); }
  // From now on good() is in force.
  Verdict Settle(const Check& check);

  const Contents& good() const { return good_; }

 private:
  base::Status TakeSteps(const Check& check);

  Contents good_;
  Contents wanted_;
};

}  // namespace loquat::config
