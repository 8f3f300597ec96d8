// SPDX-License-Identifier: Apache-2.0
//
// The manifests with some bytes damaged, as a bad memory card would.
#include <cstring>

#include "tests/services/changed_manifests.h"

namespace pyrene::init {

std::vector<proto::Manifest::Reader> Manifests() {
  return ChangedManifests([](proto::Manifest::Builder manifest, proto::Manifest::Reader) {
    auto name = manifest.getServices()[0].getName();
    std::memset(name.begin(), 0xe5, name.size());
  });
}

}  // namespace pyrene::init
