// One model folder in service: the understander, the dialogue it drives and the words it answers with. Swapped as a
// whole.
//
// Immutable after Load; safe from any thread. Requests hold a shared_ptr for as long as they need it.

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "context/dialogue_domain.h"
#include "response/replies.h"
#include "understanding/incremental_reader.h"
#include "understanding/understander.h"
#include "understanding/values/value_normalizer.h"

namespace loquat::pipeline {

inline constexpr std::size_t kDomainFileBytesMax = std::size_t{4} << 20;

struct Assistant {
  std::string name;
  std::string path;
  std::shared_ptr<const understanding::Understander> understander;
  context::DialogueDomain dialogue;
  response::Replies replies;
  understanding::ValueNormalizer values;  // By the kinds of the domain's entities.

  // Understands, and gives each slot's value its normal form. Errors: those of Understander::Understand.
  base::Status Understand(const domain::Utterance& utterance, const understanding::UnderstandOptions& options,
                          understanding::Understander::Workspace& workspace, domain::Frame& frame) const;

  // The same of text that is still arriving; `reader` is that of its utterance.
  base::Status Read(const domain::Utterance& utterance, const understanding::UnderstandOptions& options,
                    understanding::Understander::Workspace& workspace, understanding::IncrementalReader& reader,
                    domain::Frame& frame, domain::FrameStability& stability) const;

  // By its model or by its domain.
  bool KnowsIntent(std::string_view intent) const;
  bool KnowsEntity(std::string_view entity) const;

  // Reads a model folder, and the domain.yml in it if there is one. Errors say which file and what is wrong with it.
  static base::Result<std::shared_ptr<const Assistant>> Load(std::string name, std::string path,
                                                             const understanding::UnderstanderOptions& options = {});
  // The same model with domain.yml as it is now: dialogue, kinds of values, words. Errors as Load.
  static base::Result<std::shared_ptr<const Assistant>> WithDomainOfNow(const Assistant& before);

  std::string domain_file() const { return path + "/domain.yml"; }

 private:
  base::Status ReadDomain();
};

}  // namespace loquat::pipeline
