// The steps that all models share, split among the threads of a team: a linear layer, work per token, attention. Each
// splits so that results do not depend on how (kernels/transformer_kernels.h). Nothing allocates.
//
// Used by one thread at a time, as the team is. Does not own the team, which outlives it.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "kernels/thread_team.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/tensor_reader.h"
#include "model/linear_observer.h"

namespace loquat::model {

// Memory of one size for one owner, aligned to cache lines. Pages that are never written take no memory.
class FloatBuffer {
 public:
  FloatBuffer() = default;
  explicit FloatBuffer(std::size_t floats)
      : data_(static_cast<float*>(::operator new (floats * sizeof(float), std::align_val_t{64}))) {}
  float* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  std::unique_ptr<float, Free> data_;
};

// Rows of activations: token t is at data + t * stride.
struct Rows {
  float* data = nullptr;
  std::size_t stride = 0;  // Floats.
  float* operator[](std::size_t token) const { return data + token * stride; }
};

// What else a linear layer does.
struct ProjectOptions {
  bool rounded = false;                               // Compute::Round was called for each token.
  void (*activation)(float*, std::size_t) = nullptr;  // Of each number that comes out; in place.
};

class Compute {
 public:
  // The most tokens that a linear layer is given, and the most numbers, tokens times width.
  Compute(const kernels::TransformerKernels& kernels, kernels::ThreadTeam& team, std::size_t tokens_max,
          std::size_t activations_max)
      : kernels_(kernels),
        team_(team),
        rounded_(kernels.round == nullptr ? 0 : kernels::RoundedRoom(tokens_max, activations_max) / sizeof(float)) {}

  const kernels::TransformerKernels& kernels() const { return kernels_; }
  kernels::ThreadTeam& team() const { return team_; }
  void Observe(LinearObserver* observer) { observer_ = observer; }

  // out[t] = the outputs of the layers side by side for x[t].
  void Project(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out,
               const ProjectOptions& options = {}) const;
  void Project(const Linear& layer, Rows x, std::size_t tokens, Rows out, const ProjectOptions& options = {}) const {
    Project(std::span(&layer, 1), x, tokens, out, options);
  }

  // The part of Project that rounds row t of its input to what the layers take, for who has the row at hand anyway;
  // Project then comes next. Any thread, one a row. Does nothing where Project has to do it: where layers differ.
  void Round(std::span<const Linear> layers, const float* x, std::size_t t) const;
  void Round(const Linear& layer, const float* x, std::size_t t) const { Round(std::span(&layer, 1), x, t); }

  // Calls work(token) for each; `floats` is about how many numbers one token's work touches.
  template <typename Work>
  void ForEachToken(std::size_t tokens, std::size_t floats, Work&& work) const {
    const std::size_t parts = tokens * floats < kWorthSharing ? 1 : std::min<std::size_t>(tokens, team_.size());
    team_.Run(parts, [&](std::size_t part) {
      for (std::size_t t = tokens * part / parts; t < tokens * (part + 1) / parts; ++t) work(t);
    });
  }

  // Calls work(task) for each, on any thread.
  template <typename Work>
  void ForEachTask(std::size_t tasks, Work&& work) const {
    team_.Run(tasks, work);
  }

 private:
  static constexpr std::size_t kWorthSharing = 1 << 15;  // Numbers: some microseconds, as a round of the team takes.
  static constexpr std::size_t kRowStep = 16;            // Rows of a part: whole tiles of the kernel.

  struct Task;
  kernels::ActivationForm FormOf(const Linear& layer) const { return kernels_.form(layer.weight); }
  // How many of the first layers take the form that the first one takes.
  std::size_t Alike(std::span<const Linear> layers) const;
  std::byte* rounded(kernels::ActivationForm form, std::size_t cols, std::size_t t) const {
    return reinterpret_cast<std::byte*>(rounded_.get()) + t * kernels::RoundedStride(form, cols);
  }
  // Layers whose weights want the activations in one form.
  void ProjectAlike(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out,
                    const ProjectOptions& options) const;
  void ProjectRows(const Task& task, std::size_t begin, std::size_t end) const;

  const kernels::TransformerKernels& kernels_;
  kernels::ThreadTeam& team_;
  LinearObserver* observer_ = nullptr;  // Null: none.
  const FloatBuffer rounded_;           // Of the linear layer at hand: [token, RoundedStride].
};

}  // namespace loquat::model
