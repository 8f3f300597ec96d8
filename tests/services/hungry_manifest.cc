// SPDX-License-Identifier: Apache-2.0
//
// The manifests with a XenStore that wants the most that a service may have.
#include "tests/services/changed_manifests.h"

namespace pyrene::init {

std::vector<proto::Manifest::Reader> Manifests() {
  return ChangedManifests([](proto::Manifest::Builder manifest, proto::Manifest::Reader) {
    constexpr uint32_t kMostHeapKib = 256 << 10;
    for (auto service : manifest.getServices()) {
      if (service.getName() == "xenstore") service.setHeapKib(kMostHeapKib);
    }
  });
}

}  // namespace pyrene::init
