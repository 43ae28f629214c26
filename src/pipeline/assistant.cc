#include "pipeline/assistant.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file.h"

namespace loquat::pipeline {
namespace {

base::Result<understanding::ValueNormalizer> NormalizerFor(const context::DomainFile& domain, const std::string& file) {
  std::vector<std::pair<std::string, understanding::ValueKind>> kinds;
  for (const auto& [name, entity] : domain.entities) {
    const auto kind = understanding::ParseValueKind(entity.kind);
    if (!kind) {
      return base::InvalidArgument(fmt::format(
          "{}: entities.{}.kind: \"{}\" is no kind of value; docs/values.md lists them", file, name, entity.kind));
    }
    kinds.emplace_back(name, *kind);
  }
  return understanding::ValueNormalizer(std::move(kinds));
}

}  // namespace

base::Result<std::shared_ptr<const Assistant>> Assistant::Load(std::string name, std::string path,
                                                               const understanding::UnderstanderOptions& options) {
  auto assistant = std::make_shared<Assistant>();
  LOQUAT_ASSIGN(assistant->understander, understanding::Understander::Load(path, options));
  assistant->name = std::move(name);
  assistant->path = std::move(path);
  LOQUAT_TRY(assistant->ReadDomain());
  return std::shared_ptr<const Assistant>(std::move(assistant));
}

base::Result<std::shared_ptr<const Assistant>> Assistant::WithDomainOfNow(const Assistant& before) {
  auto assistant = std::make_shared<Assistant>();
  assistant->understander = before.understander;
  assistant->name = before.name;
  assistant->path = before.path;
  LOQUAT_TRY(assistant->ReadDomain());
  return std::shared_ptr<const Assistant>(std::move(assistant));
}

base::Status Assistant::ReadDomain() {
  const std::string file = domain_file();
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  LOQUAT_ASSIGN(const std::string yaml, base::ReadFile(file, kDomainFileBytesMax));
  LOQUAT_ASSIGN(const context::DomainFile domain, context::ParseDomainFile(yaml, file));
  dialogue = context::DialogueDomain(domain);
  LOQUAT_ASSIGN(values, NormalizerFor(domain, file));
  LOQUAT_ASSIGN(replies, response::Replies::FromDomain(domain, file));
  return {};
}

bool Assistant::KnowsIntent(std::string_view intent) const {
  return dialogue.HasIntent(intent) ||
         std::ranges::find(understander->intents(), intent) != understander->intents().end();
}

bool Assistant::KnowsEntity(std::string_view entity) const {
  // The manifest's names are "city" or, with a role, "city:from".
  const auto is_of = [entity](std::string_view name) { return name.substr(0, name.find(':')) == entity; };
  return dialogue.entity_kinds().contains(entity) || std::ranges::any_of(understander->manifest().slots, is_of);
}

base::Status Assistant::Understand(const domain::Utterance& utterance, const understanding::UnderstandOptions& options,
                                   understanding::Understander::Workspace& workspace, domain::Frame& frame) const {
  LOQUAT_TRY(understander->Understand(utterance, options, workspace, frame));
  values.Apply(utterance.text, {.utc = options.reference_time, .utc_offset_minutes = options.utc_offset_minutes},
               frame);
  return {};
}

base::Status Assistant::Read(const domain::Utterance& utterance, const understanding::UnderstandOptions& options,
                             understanding::Understander::Workspace& workspace,
                             understanding::IncrementalReader& reader, domain::Frame& frame,
                             domain::FrameStability& stability) const {
  LOQUAT_TRY(reader.Update(*understander, utterance, options, workspace, frame, stability));
  values.Apply(utterance.text, {.utc = options.reference_time, .utc_offset_minutes = options.utc_offset_minutes},
               frame);
  return {};
}

}  // namespace loquat::pipeline
