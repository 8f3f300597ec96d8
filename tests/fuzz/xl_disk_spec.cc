// SPDX-License-Identifier: Apache-2.0
//
// An element of `disk = [ ... ]`, in either notation.
#include "services/xl/disk_spec.h"
#include "services/xl/vdev.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  const auto disk =
      xl::ParseDiskSpec(absl::string_view(reinterpret_cast<const char*>(data), bytes));
  if (!disk.ok()) return 0;
  fuzz::Require(!disk->vdev.empty() && (disk->cdrom || !disk->target.empty()));
  fuzz::Require(disk->source != xl::DiskSpec::Source::kRam ||
                (disk->ram_bytes != 0 && disk->ram_bytes % 512 == 0));
  // Its name in a list is a name that xl takes.
  const auto again = xl::ParseVdev(xl::FormatVdev(disk->vdev_number));
  fuzz::Require(again.ok() && *again == disk->vdev_number);
  return 0;
}
