// SPDX-License-Identifier: Apache-2.0
//
// The manifests, but a service that ends is started again at once: in the tests that run with these
// it ends all the time.
#include "tests/services/changed_manifests.h"

namespace pyrene::init {

std::vector<proto::Manifest::Reader> Manifests() {
  return ChangedManifests([](proto::Manifest::Builder manifest, proto::Manifest::Reader) {
    for (auto service : manifest.getServices()) {
      service.setBackoffMs(1);
      service.setBackoffMaxMs(1);
    }
  });
}

}  // namespace pyrene::init
