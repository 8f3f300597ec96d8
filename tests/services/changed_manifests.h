// SPDX-License-Identifier: Apache-2.0
//
// For an init whose manifests are those of the system but for a change that a test wants.
#pragma once

#include <capnp/message.h>

#include <vector>

#include "services/init/manifest/raspi4b.capnp.h"
#include "services/init/manifest/virt.capnp.h"
#include "services/init/manifests.h"

namespace pyrene::init {

// Each platform's manifest after change(copy, original).
template <typename Change>
std::vector<proto::Manifest::Reader> ChangedManifests(Change change) {
  std::vector<proto::Manifest::Reader> result;
  for (const proto::Manifest::Reader original : {proto::Manifest::Reader(manifest::RASPI4B.get()),
                                                 proto::Manifest::Reader(manifest::VIRT.get())}) {
    // Leaked: readers point into it for as long as the program runs.
    auto* const message = new capnp::MallocMessageBuilder;
    message->setRoot(original);
    auto copy = message->getRoot<proto::Manifest>();
    change(copy, original);
    result.push_back(copy.asReader());
  }
  return result;
}

}  // namespace pyrene::init
