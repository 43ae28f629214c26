// Turns trained layers into the sections of a model: rows as int8 with one scale each. Pure functions.

#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "understanding/intent_corpus.h"
#include "understanding/intent_format.h"
#include "understanding/intent_learner.h"

namespace loquat::understanding {

std::vector<std::pair<std::string, std::vector<std::byte>>> PackIntentSections(const IntentHeader& header,
                                                                               const IntentCorpus& corpus,
                                                                               const Vocabulary& vocabulary,
                                                                               const LinearLayer& linear,
                                                                               const HiddenLayer& hidden);

}  // namespace loquat::understanding
