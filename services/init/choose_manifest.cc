// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/init/manifest_check.h"
#include "services/init/manifests.h"

namespace pyrene::init {

absl::StatusOr<proto::Manifest::Reader> ChooseManifest(
    absl::Span<const proto::Manifest::Reader> manifests, absl::Span<const std::string> compatible) {
  for (const proto::Manifest::Reader& manifest : manifests) {
    for (const capnp::Text::Reader name : manifest.getCompatible()) {
      if (std::find(compatible.begin(), compatible.end(), name.cStr()) == compatible.end())
        continue;
      if (absl::Status status = CheckManifest(manifest); !status.ok()) return status;
      return manifest;
    }
  }
  return absl::NotFoundError(
      absl::StrCat("no manifest for a machine that is ", absl::StrJoin(compatible, ", ")));
}

}  // namespace pyrene::init
